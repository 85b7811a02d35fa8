"""The files that the checks look at, and what a check reports."""

import dataclasses
import pathlib

CPP = {'.h', '.hpp', '.c', '.cc', '.cpp', '.cu', '.cuh'}
CODE = CPP | {'.py', '.sh', '.cmake'}
# Everything the project writes by hand lies in these folders or directly in the root.
FOLDERS = ('.ci', 'include', 'src', 'cuda', 'tests', 'tools', 'samples', 'bench', 'bindings', 'pkg', 'cmake', 'docs')
_SKIPPED_FOLDERS = {'__pycache__', 'build'}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One rule that one file breaks. `where` is what an exemption names: a path, or path:function."""
    rule: str
    where: str
    line: int
    message: str

    def __str__(self):
        path = self.where.split(':')[0]
        return f'{path}:{self.line}: [{self.rule}] {self.message}'


class Tree:
    """The text files below a root, by path relative to it, read once."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self._texts = {}
        self.paths = sorted(self._walk())

    def _walk(self):
        for path in self.root.iterdir():
            if path.is_file():
                yield path.name
        for folder in FOLDERS:
            for path in (self.root / folder).rglob('*'):
                relative = path.relative_to(self.root)
                if path.is_file() and not _SKIPPED_FOLDERS & set(relative.parts):
                    yield relative.as_posix()

    def text(self, path):
        """The file's text; bytes that are no UTF-8 are replaced."""
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_text(encoding='utf-8', errors='replace')
        return self._texts[path]

    def exists(self, path):
        return (self.root / path).is_file()

    def code(self, *tops, kinds=CODE):
        """The source files below the given folders, "src" or "tools/cli" (all of them if none is given)."""
        prefixes = tuple(f'{top}/' for top in tops)
        for path in self.paths:
            if pathlib.PurePath(path).suffix in kinds and (not tops or path.startswith(prefixes)):
                yield path
