"""Runs the real `llmrt` and finds the files that the tests of the command line need.

The folder ../shared lies beside the checkout and may be absent: tests that need it then skip, and fail where CI=true.
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

BINARY = os.environ['LLMRT_BINARY']
SHARED = pathlib.Path(os.environ['LLMRT_SHARED_DIR'])
SAMPLES = pathlib.Path(os.environ['LLMRT_SAMPLES_DIR'])
DATA = pathlib.Path(os.environ['LLMRT_TEST_DATA_DIR'])

DONE, FAILED, WRONG_USAGE = 0, 1, 2
# Every exit status that ctest reads as "skipped" (SKIP_RETURN_CODE of the folder's CMakeLists.txt).
_ALL_SKIPPED = 77


def skip(message):
    """Ends a test that this machine cannot run."""
    if os.environ.get('CI') == 'true':
        raise AssertionError(message)
    raise unittest.SkipTest(message)


def require(path):
    """The path as text; skips the test where the file is missing."""
    path = pathlib.Path(path)
    if not path.exists():
        skip(f'{path} is missing')
    return str(path)


def bundled_model():
    """The model that ships with the project."""
    path = SAMPLES / 'models' / 'village-target-q8_0.gguf'
    if not path.exists():
        raise AssertionError(f'{path} is missing; it is part of the repository')
    return str(path)


def shared_model(name):
    return require(SHARED / 'models' / name)


def tiny_model():
    """A random model of the repository's own: its answers mean nothing, but it is always there."""
    return str(DATA / 'tiny-300.gguf')


def golden(name):
    with open(require(SHARED / 'models' / 'golden' / f'{name}.json'), encoding='utf-8') as file:
        return json.load(file)['results']


def llmrt(*arguments, stdin=b'', timeout=100):
    return subprocess.run([BINARY, *arguments], input=stdin, capture_output=True, timeout=timeout, check=False)


class ProgramTest(unittest.TestCase):
    """Assertions about whole runs of the program."""

    def succeed(self, *arguments, stdin=b''):
        """stdout of a run that must succeed without a word on stderr."""
        result = llmrt(*arguments, stdin=stdin)
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertEqual(result.stderr, b'')
        return result.stdout

    def json_of(self, *arguments):
        """The one JSON object of a run with --json."""
        text = self.succeed(*arguments, '--json').decode('utf-8')
        self.assertEqual(text.count('\n'), 1, 'one line')
        value = json.loads(text)
        self.assertIsInstance(value, dict)
        return value

    def refuse(self, status, *arguments, says='', stdin=b''):
        """Checks a run that must fail: its status, nothing on stdout, and one line that says why."""
        result = llmrt(*arguments, stdin=stdin)
        self.assertEqual(result.returncode, status, (arguments, result.stderr))
        message = result.stderr.decode('utf-8')
        self.assertEqual(result.stdout, b'')
        self.assertEqual(message.count('\n'), 1, message)
        self.assertTrue(message.startswith('llmrt: '), message)
        self.assertGreater(len(message), len('llmrt: \n') + 5, message)
        self.assertIn(says, message)
        return message


def main():
    """Like unittest.main, but a run that skipped everything says so to ctest."""
    program = unittest.main(module='__main__', exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(_ALL_SKIPPED if result.testsRun == len(result.skipped) else 0)
