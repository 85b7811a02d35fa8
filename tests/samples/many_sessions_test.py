"""samples/many_sessions.c, run: everybody answers what they answer alone, and what goes wrong is said."""

import os
import pathlib
import re
import subprocess

import program
from program import ProgramTest, bundled_model


def many_sessions(*arguments):
    return subprocess.run([os.environ['LLMRT_MANY_SESSIONS'], *arguments], capture_output=True, timeout=100, check=False)


def prompts():
    """{name: prompt} as the sample's source has them."""
    source = pathlib.Path(program.SAMPLES, 'many_sessions.c').read_text(encoding='utf-8')
    lines = re.findall(r'^    "(\w+ is .*)",$', source, re.M)
    return {line.split(' ')[0]: line.replace('\\n', '\n') for line in lines}


class ManySessionsTest(ProgramTest):

    def test_everybody_answers_as_if_alone(self):
        result = many_sessions(bundled_model())
        self.assertEqual((result.returncode, result.stderr), (0, b''))
        answers = dict(line.split(':', 1) for line in result.stdout.decode().splitlines())
        self.assertEqual(len(answers), 5)
        self.assertEqual(answers.keys(), prompts().keys())
        for name, prompt in prompts().items():
            alone = self.json_of('run', bundled_model(), '-p', prompt, '-n', '64', '--stop', '\n')
            self.assertEqual(answers[name], alone['text'], name)

    def test_a_missing_model_is_a_message(self):
        result = many_sessions('no-such-model.gguf')
        self.assertEqual((result.returncode, result.stdout), (1, b''))
        self.assertRegex(result.stderr.decode(), r'^load: .*no-such-model\.gguf.*\n$')


if __name__ == '__main__':
    program.main()
