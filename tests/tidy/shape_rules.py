"""Sizes, names, parameter counts, and the mirror of src/ in tests/."""

import ast
import pathlib
import re

import cpp_source
from tree import CPP, Finding

FILE_LINES_MAX = 800
ROOT_CMAKE_LINES_MAX = 250
FUNCTION_LINES_MAX = 70
KERNEL_LINES_MAX = 120  # functions in the folders of KERNEL_FOLDERS
KERNEL_FOLDERS = ('src/cpu/', 'cuda/')
PARAMETERS_MAX = 6

_EMPTY_WORDS = {'util', 'utils', 'common', 'helper', 'helpers', 'misc'}
_SNAKE_CASE = re.compile(r'[a-z0-9_]+(\.[a-z0-9_]+)*')
# A file for one instruction set is tested with the others of its name, by equality.
_TIER = re.compile(r'_(portable|avx2|avx512|vnni|amx)$')


def _line_count(text):
    return text.count('\n') + (not text.endswith('\n') and text != '')


def check_file_sizes(tree):
    for path in [*tree.code(), *(p for p in tree.paths if p.endswith('CMakeLists.txt'))]:
        limit = ROOT_CMAKE_LINES_MAX if path == 'CMakeLists.txt' else FILE_LINES_MAX
        lines = _line_count(tree.text(path))
        if lines > limit:
            yield Finding('file-size', path, limit, f'{lines} lines; the limit is {limit}; split it by what it does')


def _python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args
            count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
            count -= bool(arguments.args) and arguments.args[0].arg in ('self', 'cls')
            yield cpp_source.Function(node.name, node.lineno, node.end_lineno - node.lineno + 1, count)


def _functions(tree):
    for path in tree.code(kinds=CPP):
        for function in cpp_source.functions(tree.text(path)):
            yield path, function
    for path in tree.code(kinds={'.py'}):
        for function in _python_functions(tree.text(path)):
            yield path, function


def check_functions(tree):
    for path, function in _functions(tree):
        limit = KERNEL_LINES_MAX if path.startswith(KERNEL_FOLDERS) else FUNCTION_LINES_MAX
        where = f'{path}:{function.name}'
        if function.lines > limit:
            yield Finding('function-size', where, function.line,
                          f'{function.name} has {function.lines} lines; the limit is {limit}')
        # The C entry points are counted where they are declared, in the header.
        declared = path.startswith('src/abi/') and function.name.startswith('llmrt_')
        if function.parameters > PARAMETERS_MAX and not declared:
            yield Finding('parameters', where, function.line,
                          f'{function.name} has {function.parameters} parameters; the limit is {PARAMETERS_MAX}; '
                          'take a params struct')


def check_names(tree):
    for path in tree.code(kinds=CPP | {'.py', '.sh'}):
        for part in pathlib.PurePath(path).parts:
            stem = part.split('.')[0]
            if _EMPTY_WORDS & set(stem.split('_')):
                yield Finding('name', path, 1, f'"{part}" does not say what it is for')
            elif part != '.ci' and not _SNAKE_CASE.fullmatch(part):
                yield Finding('name', path, 1, f'"{part}" is not snake_case')


def check_mirror(tree):
    """Every src/x/y.cc has its test: tests/x/y_test.cc (or .c, for the C interface)."""
    for path in tree.code('src', kinds={'.cc'}):
        stem = path[len('src/'):-len('.cc')]
        candidates = {stem, _TIER.sub('', stem)}
        if not any(tree.exists(f'tests/{name}_test{kind}') for name in candidates for kind in ('.cc', '.c')):
            yield Finding('mirror', path, 1, f'tests/{stem}_test.cc is missing')
