"""What the README shows is what the tests run."""

import pathlib
import re
import textwrap

import program
from program import ProgramTest

ROOT = program.SAMPLES.parent
README = (ROOT / 'README.md').read_text(encoding='utf-8')


class ReadmeTest(ProgramTest):

    def test_its_c_is_that_of_the_sample(self):
        sample = (program.SAMPLES / 'first_token.c').read_text(encoding='utf-8')
        body = re.search(r'/\* README: begin \*/\n(.*?) *\/\* README: end \*/', sample, re.S).group(1)
        shown = re.search(r'```c\n(.*?)```', README, re.S).group(1)
        self.assertEqual(shown, textwrap.dedent(body))

    def test_the_sample_is_short(self):
        self.assertLessEqual(len((program.SAMPLES / 'first_token.c').read_text(encoding='utf-8').splitlines()), 60)

    def test_files_that_the_documents_link_exist(self):
        for document in [ROOT / 'README.md', *(ROOT / 'docs').rglob('*.md')]:
            for target in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)|<img src="([^"]+)"',
                                     document.read_text(encoding='utf-8')):
                path = pathlib.Path(document.parent, target[0] or target[1])
                self.assertTrue(path.exists(), f'{document.name}: {path}')

    def test_scripts_that_it_names_can_be_run(self):
        for script in re.findall(r'(?m)^ *((?:samples|tests)/\w+\.sh)', README):
            self.assertTrue((ROOT / script).stat().st_mode & 0o100, script)

    def test_commands_that_it_shows_are_commands(self):
        known = self.succeed('--help').decode()
        shown = re.findall(r'(?m)^ *build/bin/llmrt (\w+)', README)
        self.assertGreater(len(shown), 3)
        for name in shown:
            self.assertIn(f'\n  {name} ', known)


if __name__ == '__main__':
    program.main()
