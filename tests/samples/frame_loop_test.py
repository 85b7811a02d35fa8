"""samples/frame_loop.c, run: text that comes in slices is the text, and the statistics say how frames went."""

import os
import re
import subprocess

import program
from program import ProgramTest, bundled_model

PROMPT = 'Tobin is the smith of Fernhollow.\nPlayer: What do you sell?\nTobin:'


def frame_loop(*arguments):
    return subprocess.run([os.environ['LLMRT_FRAME_LOOP'], *arguments], capture_output=True, timeout=100, check=False)


class FrameLoopTest(ProgramTest):

    def frames_of(self, budget_us):
        """Frames with work that the answer took."""
        result = frame_loop(bundled_model(), PROMPT, str(budget_us))
        self.assertEqual(result.returncode, 0, result.stderr)
        alone = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '64', '--stop', '\n')
        self.assertEqual(result.stdout.decode(), alone['text'] + '\n')
        first, second = result.stderr.decode().splitlines()
        found = re.fullmatch(r'(\d+) frames, (\d+) with work: [\d.]+ ms each of a budget of ([\d.]+) ms', first)
        self.assertIsNotNone(found, first)
        self.assertGreaterEqual(int(found[1]), int(found[2]))
        self.assertEqual(float(found[3]), budget_us / 1000)
        self.assertRegex(second, r'^largest overrun [\d.]+ ms, late frames \d+$')
        return int(found[2])

    def test_less_time_a_frame_takes_more_frames_and_gives_the_same_text(self):
        # Slices of a tenth of a millisecond are shorter than a token's pass over four megabytes of weights, of which the
        # prompt and some fifteen answered tokens need several.
        self.assertGreater(self.frames_of(100), 5)
        self.assertGreaterEqual(self.frames_of(1000000), 1)

    def test_a_missing_model_is_a_message(self):
        result = frame_loop('no-such-model.gguf')
        self.assertEqual((result.returncode, result.stdout), (1, b''))
        self.assertRegex(result.stderr.decode(), r'^load: .*no-such-model\.gguf.*\n$')

    def test_a_prompt_that_does_not_fit_is_a_message(self):
        result = frame_loop(bundled_model(), 'far away ' * 1000)
        self.assertEqual((result.returncode, result.stdout), (1, b''))
        self.assertTrue(result.stderr.startswith(b'prompt: '), result.stderr)


if __name__ == '__main__':
    program.main()
