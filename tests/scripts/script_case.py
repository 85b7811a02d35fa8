"""A folder to run scripts in, with stand-ins for the programs that they call."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
_NOBODY = 65534


class ScriptTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        self.programs = self.folder / 'programs'
        self.programs.mkdir()

    def stand_in(self, name, script):
        path = self.programs / name
        path.write_text(f'#!/bin/bash\n{script}\n', encoding='utf-8')
        path.chmod(0o755)

    def real(self, *names):
        """Programs of this machine for a PATH that holds nothing else."""
        for name in names:
            (self.programs / name).symlink_to(shutil.which(name))

    def copy(self, path):
        """A script of the checkout at the same place below the test's folder."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target)
        return str(target)

    def run_script(self, *command, environment=None, only_stand_ins=False, **options):
        """Runs with the stand-ins first on the PATH; as nobody special where `options` say so."""
        path = str(self.programs) if only_stand_ins else f'{self.programs}:{os.environ["PATH"]}'
        every = {'PATH': path, 'LC_ALL': 'C', **(environment or {})}
        return subprocess.run(command, env=every, capture_output=True, text=True, timeout=120, check=False, **options)

    def unprivileged(self):
        """Options of run_script for a user who is not root."""
        return {'user': _NOBODY, 'group': _NOBODY, 'extra_groups': []} if os.geteuid() == 0 else {}
