"""Reads C, C++ and CUDA sources well enough to find functions, their lengths and their parameters.

Not a compiler: comments, strings and preprocessor lines are blanked (lines keep their numbers), then braces are matched
and what stands before each one decides whether it opens a namespace, a class, a function or an initializer.
"""

import dataclasses
import re

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
    re.S)
_DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.M)
_NOT_A_NAME = {
    'alignas', 'decltype', 'noexcept', 'requires', 'explicit', 'sizeof', 'if', 'for', 'while', 'switch', 'catch',
    'return', '__attribute__', '__declspec', 'asm', 'defined', '__launch_bounds__', 'throw'
}


@dataclasses.dataclass
class Function:
    """A function's definition, or its declaration (then `lines` is 0)."""
    name: str
    line: int  # where the signature begins, from 1
    lines: int  # from the signature to the closing brace
    parameters: int


def _blank(text):
    """Spaces of the same shape, so that offsets and line numbers stay."""
    return re.sub(r'[^\n]', ' ', text)


def split_comments(text):
    """Returns (code, comments), each with the other blanked; strings are emptied in both."""
    code, comments, last = [], [], 0
    for match in _TOKEN.finditer(text):
        token, between = match.group(0), text[last:match.start()]
        last = match.end()
        code.append(between)
        comments.append(_blank(between))
        if token.startswith(('//', '/*')):
            code.append(_blank(token))
            comments.append(token)
        else:
            quote = token[-1]
            code.append(quote + _blank(token[1:-1]) + quote)
            comments.append(_blank(token))
    code.append(text[last:])
    return ''.join(code), ''.join(comments)


def _drop_unbalanced_branches(code):
    """Blanks `#else` branches whose `#if` branch opens a brace that it does not close: both open the same block."""
    lines, stack = code.split('\n'), []
    for number, line in enumerate(lines):
        directive = re.match(r'\s*#\s*(if|elif|else|endif)', line)
        if not directive:
            continue
        kind = directive.group(1)
        if kind == 'if':
            stack.append([number + 1, False])
        elif stack:
            start, dropping = stack[-1]
            branch = '\n'.join(lines[start:number])
            if dropping:
                for index in range(start, number):
                    lines[index] = _blank(lines[index])
            elif branch.count('{') != branch.count('}'):
                dropping = True
            stack[-1] = [number + 1, dropping]
            if kind == 'endif':
                stack.pop()
    return '\n'.join(lines)


def strip(text):
    """The code alone: no comments, string contents or preprocessor lines."""
    code = _drop_unbalanced_branches(split_comments(text)[0])
    return _DIRECTIVE.sub(lambda match: _blank(match.group(0)), code)


def includes(text):
    """The (line, path) of each #include with quotes."""
    pattern = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
    # Comments are looked for in the original text, because blanking also empties the quotes of an #include.
    comments = split_comments(text)[1]
    return [(text.count('\n', 0, match.start()) + 1, match.group(1))
            for match in pattern.finditer(text)
            if not comments[match.start():match.end()].strip()]


def _mask_nested(head):
    """Blanks template arguments and replaces operator names, so that commas and parentheses inside do not count."""
    head = re.sub(r'\boperator\s*(\(\s*\)|\[\s*\]|[^\w\s(]+)', lambda m: 'operator' + '_' * (len(m.group(0)) - 8), head)
    out, depth = [], 0
    for index, char in enumerate(head):
        if char == '<' and re.search(r'[\w>]\s*$', head[:index]):
            depth += 1
        out.append(' ' if depth and char != '\n' else char)
        if char == '>' and depth and head[index - 1] != '-':
            depth -= 1
    return ''.join(out)


def _close(text, start):
    """The index of the bracket that closes the one at `start`."""
    pairs, depth = {'(': ')', '[': ']', '{': '}'}, []
    for index in range(start, len(text)):
        if text[index] in pairs:
            depth.append(pairs[text[index]])
        elif depth and text[index] == depth[-1]:
            depth.pop()
            if not depth:
                return index
    return len(text) - 1


def _count_parameters(inside):
    if inside.strip() in ('', 'void'):
        return 0
    count, depth = 1, 0
    for char in inside:
        depth += char in '([{'
        depth -= char in ')]}'
        count += char == ',' and depth == 0
    return count


def parse_signature(head):
    """(name, offset of the name, parameters, what follows the parameter list) of a function's head, or None."""
    masked = _mask_nested(head)
    position = 0
    while True:
        match = re.compile(r'([~\w]+)\s*\(').search(masked, position)
        if not match:
            return None
        opening = match.end() - 1
        closing = _close(masked, opening)
        if match.group(1) not in _NOT_A_NAME:
            break
        position = closing + 1
    before = masked[:match.start()]
    if re.search(r'(?<![=!<>])=(?!=)', before):
        return None  # The initializer of a variable.
    inside = masked[opening + 1:closing]
    return match.group(1), match.start(), _count_parameters(inside), masked[closing + 1:]


def _kind_of_block(head, inside_function):
    """What the brace after `head` opens: 'scope', 'function', 'member' (part of a head) or 'other'."""
    if inside_function:
        return 'other'
    text = _mask_nested(head).strip()
    if re.match(r'(inline\s+)?namespace\b', text) or re.fullmatch(r'extern\s*"\s*"', text):
        return 'scope'
    if text.count('(') > text.count(')'):
        return 'member'  # A default argument such as `= {}`: the head goes on behind it.
    signature = parse_signature(head)
    if not signature and re.search(r'\b(class|struct|union)\b', text):
        return 'scope'
    if not signature or re.match(r'enum\b', text):
        return 'other'
    after = signature[3].strip()
    if re.search(r'(?<!:):(?!:)', after) and re.search(r'[\w>]$', text):
        return 'member'
    if re.search(r'(?<![=!<>])=(?!=)', after.split(':')[0]):
        return 'other'
    return 'function'


def _declared(code, start, end):
    """The function that `code[start:end]`, which ends in a semicolon, declares, or None."""
    head = code[start:end]
    signature = parse_signature(head)
    if not signature or re.match(r'\s*(using|typedef|friend|static_assert|extern\s+template|return)\b', head):
        return None
    name, offset, parameters, after = signature
    tail = after.strip()
    if (name.isupper() and '_' in name) or not re.fullmatch(
            r'((const|noexcept|override|final|&+|->[^=;]*|=\s*(0|default|delete)|\w+\([^)]*\)|__attribute__.*)\s*)*', tail):
        return None
    return Function(name, code.count('\n', 0, start + offset) + 1, 0, parameters)


class _Scanner:
    """One pass over stripped code with a stack of open blocks; see functions()."""

    def __init__(self, code):
        self.code = code
        self.found = []
        self.stack = []  # kinds of the open blocks
        self.head = 0  # where the text before the next brace begins
        self.open = None  # the function whose body is being read, and the depth at which it began

    def _open_block(self, index):
        head = self.code[self.head:index]
        kind = _kind_of_block(head, self.open is not None)
        if kind == 'function':
            name, offset, parameters, _ = parse_signature(head)
            line = self.code.count('\n', 0, self.head + offset) + 1
            self.open = (Function(name, line, 0, parameters), len(self.stack))
        self.stack.append(kind)
        if kind != 'member':
            self.head = index + 1

    def _close_block(self, index):
        kind = self.stack.pop() if self.stack else 'other'
        if self.open and len(self.stack) == self.open[1]:
            function = self.open[0]
            function.lines = self.code.count('\n', 0, index) + 2 - function.line
            self.found.append(function)
            self.open = None
        if kind != 'member':
            self.head = index + 1

    def scan(self):
        for index, char in enumerate(self.code):
            if char == '{':
                self._open_block(index)
            elif char == '}':
                self._close_block(index)
            elif char == ';' and not (self.stack and self.stack[-1] == 'member'):
                if not self.open and all(kind == 'scope' for kind in self.stack):
                    declared = _declared(self.code, self.head, index)
                    if declared:
                        self.found.append(declared)
                self.head = index + 1
        return self.found


def functions(text):
    """Every function that a source defines or declares, in the order in which they end."""
    # Labels such as `public:` would stand before the next head.
    code = re.sub(r'\b(public|private|protected)\s*:(?!:)', lambda match: _blank(match.group(0)), strip(text))
    return _Scanner(code).scan()


def comment_lines(text):
    """(comment lines, lines that are not blank)."""
    comments = split_comments(text)[1].split('\n')
    filled = sum(1 for line in text.split('\n') if line.strip())
    return sum(1 for line in comments if line.strip()), filled
