"""What the library's sources never say, and what nothing in the project says."""

import re

import cpp_source
from tree import CODE, CPP, Finding

# The library never takes its host down, prints, or touches process-wide state.
_BANNED = [(re.compile(pattern), reason) for pattern, reason in (
    (r'(?<![\w.>])(std::)?(abort|exit|_exit|quick_exit|terminate)\s*\(', 'the library never ends its host'),
    (r'(?<!\w)(std::)?(printf|fprintf|vprintf|vfprintf|dprintf|puts|fputs|fputc|putc|putchar|perror)\s*\(', 'the library never prints'),
    (r'\bstd::(cout|cerr|clog|cin)\b|(?<!\w)(stdout|stderr)\b', 'the library never prints'),
    (r'#\s*include\s*<(iostream|fstream|sstream|iomanip|ostream|istream|regex|locale|clocale|cassert|assert\.h)>',
     'no streams, locale, regex or assert in the library'),
    (r'(?<![\w.>])(std::)?(signal|sigaction|raise)\s*\(', 'signals belong to the host'),
    (r'(?<![\w.>])setlocale\s*\(', 'the locale belongs to the host'),
    (r'(?<!\w)assert\s*\(', 'an assertion would end the host; return a status'),
    (r'(?<!\w)[DQ]?CHECK(_[A-Z]+)?\s*\(|(?<!\w)(ABSL_)?(ASSERT|HARDENING_ASSERT|RAW_CHECK)\s*\(',
     'a failed check would end the host; return a status'),
    (r'\bstd::(basic_)?w?regex\b', 'std::regex overflows the stack on hostile input'),
    # Passing on what is already in flight (`throw;`) is no error of ours.
    (r'\bthrow\b(?!\s*(\(\s*\)|;))', 'errors are absl::Status'),
    (r'(?<!\w)(absl::)?(ErrnoToStatus|StrError)\s*\(', 'its table of messages outlives the library: each unload leaks it'),
    (r'\babsl::(Mutex|MutexLock|CondVar)\b', 'absl::Mutex crashes a host thread that ends after dlclose; std::mutex'),
)]

_FORCED = re.compile(r'_INLINE\b|\balways_inline\b')

# Written in pieces, so that this file does not find itself.
_MACHINE_PATH = re.compile(r'(?<![\w.~-])/(' + '|'.join(('wo' 'rk', 'ro' 'ot', 'fa' 'rm', 'ho' 'me')) + r')/\w')
_TEXT = CODE | {'.md', '.txt', '.json', '.yml', '.in', '.map', '.i', '.cs', '.java', ''}


def check_banned(tree):
    for path in tree.code('src', 'cuda', kinds=CPP):
        # Preprocessor lines count here, so only comments and strings are blanked.
        code = cpp_source.split_comments(tree.text(path))[0]
        for number, line in enumerate(code.split('\n'), 1):
            for pattern, reason in _BANNED:
                match = pattern.search(line)
                if match:
                    yield Finding('banned', path, number, f'{match.group(0).strip()}: {reason}')


def check_inlined(tree):
    """A header with functions that are inlined by force is for one instruction set: what it defines otherwise may become
    a weak symbol full of that set's instructions, which the linker may pick for a processor without them."""
    for path in tree.code('src/cpu', kinds={'.h'}):
        code = cpp_source.strip(tree.text(path))
        if not _FORCED.search(tree.text(path)):
            continue
        lines = code.split('\n')
        for function in cpp_source.functions(tree.text(path)):
            head = lines[function.line - 1].partition('{')[0]
            if head.startswith(function.name) and function.line > 1:
                head = lines[function.line - 2] + head  # the line was too long for both
            # Outside of a class `static` keeps a function that is not inlined in its object.
            if function.lines and not _FORCED.search(head) and not head.startswith('static '):
                yield Finding('inlined', f'{path}:{function.name}', function.line,
                              f'{function.name} is inlined by force or static where one instruction set is used')


def check_machine_paths(tree):
    for path in tree.paths:
        suffix = path[path.rfind('.'):] if '.' in path.split('/')[-1] else ''
        if suffix not in _TEXT or path.startswith('tests/data/'):
            continue
        for number, line in enumerate(tree.text(path).split('\n'), 1):
            match = _MACHINE_PATH.search(line)
            if match:
                yield Finding('machine-path', path, number, f'"{match.group(0)}" is a path of one machine')
