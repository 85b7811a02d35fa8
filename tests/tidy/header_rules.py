"""Every function of include/llmrt.h documents ownership, threads, errors and since when it exists.

A function's documentation is the comment that ends on the line before it; functions that differ in their last word only
(get_i64, get_f64) and follow each other without an empty line share one. A comment with an empty line behind it that
holds at least one of the fields is the heading of a group: its fields hold for every function up to the next heading.
"""

import cpp_source
from tree import Finding

HEADER = 'include/llmrt.h'
FIELDS = ('Ownership:', 'Thread safety:', 'Errors:', 'Since:')


def _comment_blocks(text):
    """(first line, last line, text) of each run of comment lines, counted from 1."""
    comments = cpp_source.split_comments(text)[1].split('\n')
    block, start = [], 0
    for number, line in enumerate([*comments, ''], 1):
        if line.strip():
            if not block:
                start = number
            block.append(line)
        elif block:
            yield start, number - 1, '\n'.join(block)
            block = []


def _declarations(text):
    """(first line of the declaration, function) of each exported function."""
    code = cpp_source.strip(text)
    for function in cpp_source.functions(text):
        if function.name.startswith('llmrt_'):
            # The declaration begins behind whatever ended before it.
            offset = sum(len(line) + 1 for line in code.split('\n')[:function.line - 1])
            begin = max(code.rfind(end, 0, offset) for end in ';{}') + 1
            begin += len(code[begin:]) - len(code[begin:].lstrip())
            yield code.count('\n', 0, begin) + 1, function


def _same_but_last_word(first, second):
    return first.name.rsplit('_', 1)[0] == second.name.rsplit('_', 1)[0]


def check_header(tree):
    if not tree.exists(HEADER):
        return
    text = tree.text(HEADER)
    lines = text.split('\n')
    blocks = list(_comment_blocks(text))
    attached = {last: block for _, last, block in blocks}
    headings = [(last, block) for _, last, block in blocks
                if (last >= len(lines) or not lines[last].strip()) and any(field in block for field in FIELDS)]
    previous, own = None, ''
    for line, function in _declarations(text):
        if not (previous and _same_but_last_word(previous, function) and lines[line - 2].strip().endswith(';')):
            own = ''
        own = attached.get(line - 1, own)
        previous = function
        group = next((block for last, block in reversed(headings) if last < line), '')
        if not own:
            yield Finding('header', f'{HEADER}:{function.name}', line, f'{function.name} has no comment of its own')
        missing = [field for field in FIELDS if field not in own and field not in group]
        if missing:
            yield Finding('header', f'{HEADER}:{function.name}', line,
                          f'{function.name} does not say {" ".join(missing)} (nor does its group)')
