"""What a host was compiled against never changes: values, places of struct fields, functions.

Run: check_baseline.py HEADER COMPILER [--record]. Reads the names from the header, lets the C compiler say their values
and places, and compares with baseline.txt. A line of the baseline that is gone or different breaks hosts that are out
there; --record adds what is new and refuses the rest. A struct may grow at its end: hosts pass the size that they know.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

BASELINE = pathlib.Path(__file__).with_name('baseline.txt')
_SIZE = re.compile(r'struct \w+ size (\d+)')


def declarations(header):
    """(enum constants, {struct: fields}, functions as one line each) of a header without comments."""
    text = re.sub(r'/\*.*?\*/', ' ', header, flags=re.S)
    constants, structs = [], {}
    for body in re.findall(r'typedef enum \w+ \{(.*?)\}', text, re.S):
        constants += re.findall(r'(\w+)\s*=', body)
    for name, body in re.findall(r'struct (\w+) \{(.*?)\n\}', text, re.S):
        fields = [field.strip() for field in body.split(';') if field.strip()]
        # A function pointer's name stands in (*name), any other at the end, perhaps with [length].
        structs[name] = [re.search(r'\(\*(\w+)\)|(\w+)(?:\[\w+\])?$', field) for field in fields]
        structs[name] = [match.group(1) or match.group(2) for match in structs[name]]
    functions = [' '.join(f.split()) for f in re.findall(r'LLMRT_API ([^;]*?\));', text, re.S)]
    return constants, structs, functions


def measured(header_path, compiler, constants, structs):
    """What the compiler makes of them, a line each."""
    prints = [f'printf("value {name} %lld\\n", (long long){name});' for name in constants]
    for name, fields in structs.items():
        prints.append(f'printf("struct {name} size %zu\\n", sizeof(struct {name}));')
        prints += [f'printf("field {name}.{field} at %zu size %zu\\n", offsetof(struct {name}, {field}), '
                   f'sizeof(((struct {name}*)0)->{field}));' for field in fields]
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, 'layout.c'), pathlib.Path(folder, 'layout')
        source.write_text('#include <stddef.h>\n#include <stdio.h>\n#include "llmrt.h"\nint main(void) {\n'
                          + '\n'.join(prints) + '\nreturn 0;\n}\n', encoding='utf-8')
        subprocess.run([compiler, '-std=c99', f'-I{header_path.parent}', str(source), '-o', str(program)], check=True)
        return subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.splitlines()


def size_of(line):
    """The struct's size, if that is what the line tells."""
    match = _SIZE.fullmatch(line)
    return int(match.group(1)) if match else None


def compare(old, new):
    """(lines that broke, lines that are new)."""
    sizes = {line.split()[1]: size_of(line) for line in new if size_of(line)}
    broken = [line for line in old if line not in new
              and not (size_of(line) and sizes.get(line.split()[1], 0) > size_of(line))]
    return broken, [line for line in new if line not in old]


def main():
    header_path, compiler = pathlib.Path(sys.argv[1]), sys.argv[2]
    constants, structs, functions = declarations(header_path.read_text(encoding='utf-8'))
    new = measured(header_path, compiler, constants, structs) + [f'function {f}' for f in functions]
    old = BASELINE.read_text(encoding='utf-8').splitlines() if BASELINE.exists() else []
    broken, added = compare(old, new)
    for line in broken:
        print(f'changed or gone: {line}')
    if '--record' in sys.argv and not broken:
        BASELINE.write_text('\n'.join(new) + '\n', encoding='utf-8')
        added = []
    for line in added:
        print(f'not recorded yet (--record): {line}')
    print(f'{len(constants)} values, {len(structs)} structs, {len(functions)} functions')
    return 1 if broken or added else 0


if __name__ == '__main__':
    sys.exit(main())
