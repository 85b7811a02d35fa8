"""Checks the house rules that a machine can check. Run: python3 tests/tidy/check_tree.py [ROOT]

Prints each finding as path:line: [rule] message, and exits 1 if there is one that tests/tidy/exemptions.txt does not
name. An exemption that is no longer needed is a finding too, so the list only shrinks.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import content_rules
import cpp_source
import header_rules
import layer_rules
import shape_rules
from tree import CPP, Finding, Tree

CHECKS = (
    shape_rules.check_file_sizes,
    shape_rules.check_functions,
    shape_rules.check_names,
    shape_rules.check_mirror,
    layer_rules.check_includes,
    layer_rules.check_circles,
    layer_rules.check_hosts,
    layer_rules.check_library_tools,
    content_rules.check_banned,
    content_rules.check_inlined,
    content_rules.check_machine_paths,
    header_rules.check_header,
)
EXEMPTIONS = 'tests/tidy/exemptions.txt'
# Other versions lay some lines out differently; this is Debian 12's.
CLANG_FORMAT_MAJOR = '14'


def find(tree):
    """Every finding of every check, exempted or not."""
    return [finding for check in CHECKS for finding in check(tree)]


def read_exemptions(tree):
    """{(rule, where): line} and the findings about the list itself."""
    entries, findings = {}, []
    text = tree.text(EXEMPTIONS) if tree.exists(EXEMPTIONS) else ''
    for number, line in enumerate(text.split('\n'), 1):
        words = line.split(None, 2)
        if not words or line.startswith('#'):
            continue
        if len(words) < 3:
            findings.append(Finding('exemptions', EXEMPTIONS, number, 'want: rule, path or path:function, the reason'))
        else:
            entries[(words[0], words[1])] = number
    return entries, findings


def apply_exemptions(tree, findings):
    """What is left of the findings, and exemptions that excuse nothing."""
    entries, left = read_exemptions(tree)
    used = set()
    for finding in findings:
        key = (finding.rule, finding.where)
        if key in entries:
            used.add(key)
        else:
            left.append(finding)
    for key in sorted(set(entries) - used):
        left.append(Finding('exemptions', EXEMPTIONS, entries[key], f'{" ".join(key)} is not needed any more; remove it'))
    return left


def report_ratios(tree):
    """Prints the shares that are reported and gate nothing."""
    counts = {}
    for top in ('src', 'cuda', 'include', 'tests'):
        comments, filled = 0, 0
        for path in tree.code(top, kinds=CPP):
            more = cpp_source.comment_lines(tree.text(path))
            comments, filled = comments + more[0], filled + more[1]
        counts[top] = (comments, filled)
        if filled:
            print(f'{top}: {filled} lines, {100 * comments / filled:.0f} % with a comment')
    source = counts['src'][1] + counts['cuda'][1]
    if source:
        print(f'test : source lines {counts["tests"][1] / source:.2f} (wanted: 0.7)')


def check_format(tree):
    """Runs clang-format over everything; 0 formatted, 1 not, 77 when the right version is not there."""
    program = shutil.which(f'clang-format-{CLANG_FORMAT_MAJOR}') or shutil.which('clang-format')
    version = subprocess.run([program, '--version'], capture_output=True, text=True).stdout if program else ''
    if f'version {CLANG_FORMAT_MAJOR}.' not in version:
        print(f'not checked: clang-format {CLANG_FORMAT_MAJOR} is needed, here is {version.strip() or "none"}')
        return 1 if os.environ.get('CI') == 'true' else 77
    paths = list(tree.code(kinds=CPP))
    if not paths:
        return 0
    result = subprocess.run([program, '--dry-run', '--Werror', '--ferror-limit=3', *paths], cwd=tree.root)
    return 1 if result.returncode else 0


def main(arguments):
    root = pathlib.Path(__file__).resolve().parents[2]
    if arguments[:1] == ['--format']:
        return check_format(Tree(arguments[1] if arguments[1:] else root))
    tree = Tree(arguments[0] if arguments else root)
    findings = apply_exemptions(tree, find(tree))
    for finding in findings:
        print(finding)
    report_ratios(tree)
    print(f'{len(findings)} findings')
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
