"""Template files and their expansion.

A template file holds sections: a line `[name]` starts one, every other line is a template. Inside a template
`(a|b|)` is a random choice (nesting allowed, an empty choice is allowed) and `$slot` is filled from a dict.
"""

import random
import re
from pathlib import Path

_CHOICE = re.compile(r"\(([^()]*)\)")
_SLOT = re.compile(r"\$([a-z_]+)")


def load_templates(path: Path) -> dict[str, list[str]]:
    """Reads one template file into {section: [template, ...]}; `#` starts a comment line."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for raw in path.read_text(encoding="utf-8").splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            lines = sections.setdefault(line[1:-1], [])
        else:
            lines.append(line)
    return sections


def expand(template: str, slots: dict[str, str], rng: random.Random) -> str:
    """Resolves choices from the inside out, then slots; a missing slot is an error in the template."""
    while True:
        match = _CHOICE.search(template)
        if match is None:
            break
        choice = rng.choice(match.group(1).split("|"))
        template = template[: match.start()] + choice + template[match.end() :]
    return _SLOT.sub(lambda m: slots[m.group(1)], template)


def tidy(text: str) -> str:
    """One space between words, none before punctuation, and a capital at the start of each sentence."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r" ([,.!?])", r"\1", text)
    text = re.sub(r"\bi\b(?=[ ',])", "I", text)
    return re.sub(r"(^|[.!?] )([a-z])", lambda m: m.group(1) + m.group(2).upper(), text)
