"""samples/quickstart.sh around stand-ins for CMake and the program that it builds."""

import subprocess
import unittest

from script_case import ScriptTest


class QuickstartTest(ScriptTest):

    def setUp(self):
        super().setUp()
        self.script = self.copy('samples/quickstart.sh')
        installer = self.folder / 'tools/install_dependencies.sh'
        installer.parent.mkdir()
        installer.write_text('#!/bin/bash\ntouch installed\n', encoding='utf-8')
        installer.chmod(0o755)
        # "Builds" a program that answers every line and writes down its arguments.
        self.stand_in('llmrt', 'printf "%s\\n" "$@" >arguments; while read -r _; do echo "An answer."; done')
        self.stand_in('cmake', 'mkdir -p build/bin && cp "${0%/*}/llmrt" build/bin/')
        self.elsewhere = self.folder / 'else where'
        self.elsewhere.mkdir()

    def quickstart(self, *arguments):
        return self.run_script(self.script, *arguments, cwd=self.elsewhere, stdin=subprocess.DEVNULL)

    def test_a_relative_model_lies_where_the_caller_stands(self):
        (self.elsewhere / 'my model.gguf').touch()
        result = self.quickstart('my model.gguf')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.folder / 'arguments').read_text(encoding='utf-8').split('\n')[:2],
                         ['chat', str(self.elsewhere / 'my model.gguf')])
        self.assertEqual(result.stdout.count('Tobin: An answer.'), 3)
        # What it suggests can be pasted.
        self.assertIn(f'llmrt chat {self.folder}/else\\ where/my\\ model.gguf ', result.stdout)

    def test_a_missing_model_is_named_before_anything_is_installed(self):
        for arguments, name in ((['none.gguf'], f'{self.elsewhere}/none.gguf'), ([], 'village-target-q8_0.gguf')):
            result = self.quickstart(*arguments)
            self.assertEqual((result.returncode, result.stdout), (1, ''))
            self.assertIn(name, result.stderr)
            self.assertFalse((self.folder / 'installed').exists())

    def test_a_build_that_fails_shows_its_log(self):
        (self.elsewhere / 'model.gguf').touch()
        self.stand_in('cmake', 'echo "no compiler"; exit 1')
        result = self.quickstart('model.gguf')
        self.assertEqual(result.returncode, 1)
        self.assertIn('no compiler', result.stderr)


if __name__ == '__main__':
    unittest.main(verbosity=2)
