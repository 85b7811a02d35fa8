"""No file compiled for one instruction set shares a function with the rest of the library.

An inline function of a header that such a file emits is a weak symbol; the linker keeps one copy of all, perhaps the one
with AVX-512 in it, and an older machine dies of an illegal instruction in code that looks portable. So these files
may define weak data and their own functions, but no weak function.

Run: check_tiers.py ARCHIVE. Prints what is wrong and exits 1, or says what was seen.
"""

import re
import subprocess
import sys

_TIER_FILE = re.compile(r'_(avx2|avx512|vnni|amx)\.cc\.o$')


def weak_functions(archive):
    """(object file, symbol) of each weak function in the objects of one instruction set, and how many those are."""
    command = ['nm', '--defined-only', '--demangle', archive]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found, objects, current = [], set(), ''
    for line in listing.split('\n'):
        if line.endswith('.o:'):
            current = line[:-1]
            if _TIER_FILE.search(current):
                objects.add(current)
        fields = line.split(None, 2)
        # W: weak and no data (V). A constructor or template that was inlined everywhere leaves none.
        if current in objects and len(fields) == 3 and fields[1] == 'W':
            found.append((current, fields[2]))
    return found, len(objects)


def main(archive):
    found, objects = weak_functions(archive)
    for member, symbol in found:
        print(f'{member} defines the weak function {symbol}; make it always_inline, or keep it out of this file')
    print(f'{objects} files of one instruction set, {len(found)} problems')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
