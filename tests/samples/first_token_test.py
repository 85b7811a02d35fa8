"""samples/first_token.c, run: it prints what the command line prints, and says what went wrong."""

import os
import subprocess

import program
from program import ProgramTest, shared_model


def first_token(*arguments):
    return subprocess.run([os.environ['LLMRT_FIRST_TOKEN'], *arguments], capture_output=True, timeout=100, check=False)


class FirstTokenTest(ProgramTest):

    def test_it_prints_the_models_text(self):
        model = shared_model('tinystories-1.4M-q8_0.gguf')
        for prompt in ('Once upon a time', 'The cat'):
            result = first_token(model, prompt)
            self.assertEqual((result.returncode, result.stderr), (0, b''))
            self.assertEqual(result.stdout, self.succeed('run', model, '-p', prompt))
            self.assertGreater(len(result.stdout), 50)

    def test_a_missing_model_is_a_message(self):
        result = first_token('no-such-model.gguf')
        self.assertEqual((result.returncode, result.stdout), (1, b''))
        self.assertRegex(result.stderr.decode(), r'^load: .*no-such-model\.gguf.*\n$')

    def test_a_stream_that_fails_says_why_after_its_text(self):
        result = subprocess.run([os.environ['LLMRT_FIRST_TOKEN_FAILING']], capture_output=True, timeout=100, check=False)
        self.assertEqual((result.returncode, result.stdout), (1, b'Once'))
        self.assertEqual(result.stderr, b'stream: the device was lost; load the model again\n')

    def test_a_prompt_that_does_not_fit_is_a_message(self):
        result = first_token(shared_model('tinystories-1.4M-q8_0.gguf'), 'far away ' * 1000)
        self.assertEqual((result.returncode, result.stdout), (1, b''))
        self.assertTrue(result.stderr.startswith(b'prompt: '), result.stderr)


if __name__ == '__main__':
    program.main()
