"""The built shared library fits into any host: what it shows, what it needs, what it must not call.

Run: check_symbols.py LIBRARY. Prints what is wrong and exits 1, or says what was seen.
"""

import re
import subprocess
import sys

SONAME = 'libllmrt.so.1'
VERSION_NODE = 'LLMRT_1'
NEEDED = re.compile(r'libc\.so\.6|libm\.so\.6|ld-linux[-\w]*\.so\.\d')
# libm's results differ between versions of libc, so numeric paths use src/numerics. What IEEE 754 defines exactly may stay.
NUMERIC = {'fma', 'fmaf', 'sqrt', 'sqrtf'}
# Abseil's conversions between numbers and text take floats apart and put them together with these, exactly. No archive of
# numeric code may call them (tests/cpu/symbols_test.cc).
TEXT = {'frexp', 'ldexp'}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_dynamic(library):
    """Findings about the name and the libraries that it needs."""
    dynamic = run('readelf', '-dW', library)
    needed = re.findall(r'\(NEEDED\).*\[(.*)\]', dynamic)
    yield from (f'needs {name}' for name in needed if not NEEDED.fullmatch(name))
    soname = re.findall(r'\(SONAME\).*\[(.*)\]', dynamic)
    if soname != [SONAME]:
        yield f'SONAME is {soname}, not {SONAME}'
    if 'NODELETE' in dynamic:
        yield 'is linked with nodelete, so dlclose would not unload it'
    if 'TEXTREL' in dynamic:
        yield 'has text relocations: something in it is not position independent'


def libm_versions(library):
    """Indices of the symbol versions that libm supplies: a dynamic symbol names its version's index, not its library."""
    indices, file = set(), ''
    for line in run('readelf', '--version-info', '-W', library).split('\n'):
        file = (re.findall(r'File: (\S+)', line) or [file])[0]
        version = re.findall(r'Name: \S+ .* Version: (\d+)', line)
        if version and file.startswith('libm.so'):
            indices.add(f'({version[0]})')
    return indices


def check_symbols(library):
    """Findings about dynamic symbols."""
    libm = libm_versions(library)
    if not libm and 'libm.so' in run('readelf', '-dW', library):
        yield 'needs libm, but which symbols come from it could not be read'
    rows = [line.split() for line in run('readelf', '--dyn-syms', '-W', library).split('\n')]
    rows = [row for row in rows if len(row) >= 8 and row[0].rstrip(':').isdigit()]
    exported = 0
    for _, _, _, kind, binding, _, section, name, *version in rows:
        plain = name.split('@')[0]
        if binding == 'UNIQUE':
            yield f'{name} is a unique symbol, which pins the library in memory'
        if section == 'UND':
            if libm.intersection(version) and plain not in NUMERIC | TEXT:
                yield f'calls {plain} of libm, whose bits differ between versions; use src/numerics'
        elif plain != VERSION_NODE:
            exported += 1
            if not re.fullmatch(r'llmrt_\w+', plain):
                yield f'exports {name}'
            elif not name.endswith('@@' + VERSION_NODE):
                yield f'exports {name} outside the version node {VERSION_NODE}'
            elif kind != 'FUNC':
                yield f'exports {name}, which is no function'
    if not exported:
        yield 'exports nothing'


def main(library):
    problems = [*check_dynamic(library), *check_symbols(library)]
    for problem in problems:
        print(f'{library} {problem}')
    print(f'{len(problems)} problems')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
