"""llmrt run: the JSON fields, the stream, what ends it, and that its bits depend on nothing but the request."""

import math
import os
import pathlib
import signal
import subprocess
import tempfile

import gguf_edit
import program
from program import FAILED, ProgramTest, bundled_model

PROMPT = 'Once upon a time'


class RunTest(ProgramTest):

    def test_json_has_the_fields_of_the_contract(self):
        run = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '8', '--ignore-eos')
        self.assertIsInstance(run['text'], str)
        for field in ('prompt_tokens', 'tokens'):
            self.assertTrue(run[field] and all(isinstance(token, int) for token in run[field]), field)
        self.assertEqual(len(run['tokens']), 8)
        self.assertEqual(run['finish_reason'], 'max_tokens')
        for field in ('ttft_ms', 'tpot_ms'):
            self.assertIsInstance(run[field], float)
            self.assertGreater(run[field], 0)
        self.assertEqual((run['drafted'], run['accepted']), (0, 0))
        self.assertNotIn('speculation', run)
        self.assertIsInstance(run['seed'], int)
        self.assertGreater(len(run['fingerprint']), 10)

    def test_times_that_did_not_happen_are_null(self):
        run = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '1', '--ignore-eos')
        self.assertEqual(len(run['tokens']), 1)
        self.assertIsNone(run['tpot_ms'])
        self.assertIsNotNone(run['ttft_ms'])

    def test_no_tokens_asked_for_gives_none(self):
        run = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '0')
        self.assertEqual((run['text'], run['tokens'], run['finish_reason']), ('', [], 'max_tokens'))

    def test_streamed_text_equals_the_json_text(self):
        arguments = ('run', bundled_model(), '-p', PROMPT, '-n', '60', '--temp', '0.9', '--seed', '5')
        self.assertEqual(self.succeed(*arguments).decode('utf-8'), self.json_of(*arguments)['text'])

    def test_prompt_tokens_are_those_of_tokenize(self):
        run = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '1')
        self.assertEqual(run['prompt_tokens'], self.json_of('tokenize', bundled_model(), '--text', PROMPT)['tokens'])

    def test_greedy_is_the_default_and_repeats(self):
        first = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '24')
        again = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '24', '--temp', '0', '--draft', 'none')
        self.assertEqual(first['tokens'], again['tokens'])

    def test_look_up_changes_no_token(self):
        # A prompt that repeats itself, so that there is something to find.
        for flags in (('--temp', '0'), ('--temp', '0.9', '--seed', '4')):
            arguments = ('run', bundled_model(), '-p', f'{PROMPT}. {PROMPT}. {PROMPT}', '-n', '80', '--ignore-eos', *flags)
            plain = self.json_of(*arguments, '--draft', 'none')
            self.assertNotIn('speculation', plain)
            self.assertEqual((plain['drafted'], plain['accepted']), (0, 0))
            for most in ((), ('--draft-max', '2'), ('--draft-max', '16')):
                run = self.json_of(*arguments, '--draft', 'lookup', *most)
                self.assertEqual((run['tokens'], run['text']), (plain['tokens'], plain['text']), (flags, most))
                self.check_speculation(run, int(most[1]) if most else 8)

    def check_speculation(self, run, most):
        """What a run says of its drafts adds up. Whether there were any is a matter of measured times."""
        speculation = run['speculation']
        lengths = speculation['draft_lengths']
        self.assertEqual(len(lengths), speculation['steps'])
        self.assertTrue(all(0 <= length <= most for length in lengths), lengths)
        self.assertEqual(sum(lengths), run['drafted'])
        self.assertLessEqual(run['accepted'], run['drafted'])
        self.assertEqual(speculation['steps'] + run['accepted'], len(run['tokens']))
        self.assertAlmostEqual(speculation['tokens_per_step'], len(run['tokens']) / speculation['steps'], places=9)
        self.assertGreaterEqual(speculation['draft_ms'], 0)

    def test_drafts_of_none_are_none(self):
        arguments = ('run', bundled_model(), '-p', PROMPT, '-n', '8', '--ignore-eos', '--draft', 'lookup')
        self.assertEqual(self.json_of(*arguments, '--draft-max', '0')['drafted'], 0)
        empty = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '0', '--draft', 'lookup')
        self.assertEqual((empty['speculation']['steps'], empty['speculation']['tokens_per_step']), (0, None))

    def test_threads_and_tier_do_not_change_a_token(self):
        arguments = ('run', bundled_model(), '-p', PROMPT, '-n', '32', '--temp', '0.8', '--seed', '11', '--ignore-eos')
        tokens = self.json_of(*arguments)['tokens']
        for flags in (('--threads', '1'), ('--threads', '3'), ('--tier', 'portable')):
            self.assertEqual(self.json_of(*arguments, *flags)['tokens'], tokens, flags)

    def test_a_seed_repeats_a_draw_and_another_changes_it(self):
        arguments = ('run', bundled_model(), '-p', PROMPT, '-n', '40', '--temp', '1.5', '--ignore-eos')
        one = self.json_of(*arguments, '--seed', '1')
        self.assertEqual(one['seed'], 1)
        self.assertEqual(self.json_of(*arguments, '--seed', '1')['tokens'], one['tokens'])
        self.assertNotEqual(self.json_of(*arguments, '--seed', '2')['tokens'], one['tokens'])

    def test_a_drawn_seed_is_reported_and_repeats(self):
        arguments = ('run', bundled_model(), '-p', PROMPT, '-n', '24', '--temp', '1.2')
        drawn = self.json_of(*arguments)
        self.assertEqual(self.json_of(*arguments, f'--seed={drawn["seed"]}')['tokens'], drawn['tokens'])

    def test_filters_that_leave_one_token_are_greedy(self):
        greedy = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '16')['tokens']
        for flags in (('--top-k', '1'), ('--min-p', '1'), ('--top-p', '0')):
            drawn = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '16', '--temp', '1', '--seed', '3', *flags)
            self.assertEqual(drawn['tokens'], greedy, flags)

    def test_stop_strings_end_the_text_before_them(self):
        whole = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '40', '--ignore-eos')['text']
        stop = whole[len(whole) // 2:len(whole) // 2 + 3]
        run = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '40', '--ignore-eos', '--stop', 'no such text',
                           '--stop', stop)
        self.assertEqual(run['finish_reason'], 'stop_string')
        self.assertEqual(run['text'], whole[:whole.index(stop)])

    def test_logprobs_are_those_of_the_tokens(self):
        run = self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '12', '--logprobs')
        self.assertEqual(len(run['logprobs']), len(run['tokens']))
        self.assertTrue(all(value <= 0 for value in run['logprobs']))
        self.assertTrue(any(value < 0 for value in run['logprobs']))
        self.assertNotIn('logprobs', self.json_of('run', bundled_model(), '-p', PROMPT, '-n', '2'))

    def test_a_full_context_ends_the_stream(self):
        model = program.shared_model('tinystories-1.4M-q8_0.gguf')
        run = self.json_of('run', model, '-p', PROMPT, '--ignore-eos')
        self.assertEqual(run['finish_reason'], 'context_full')
        self.assertEqual(len(run['prompt_tokens']) + len(run['tokens']), 256)

    def test_an_empty_prompt_starts_from_bos(self):
        run = self.json_of('run', program.shared_model('tinystories-1.4M-q8_0.gguf'), '-p', '', '-n', '4')
        self.assertEqual(run['prompt_tokens'], [1])
        self.assertEqual(len(run['tokens']), 4)

    def test_a_model_that_ends_its_texts_goes_on_from_the_prompt(self):
        data = pathlib.Path(program.tiny_model()).read_bytes()
        with tempfile.NamedTemporaryFile() as file:
            file.write(gguf_edit.with_metadata(data, {'tokenizer.ggml.add_eos_token': True}))
            file.flush()
            self.assertEqual(self.json_of('tokenize', file.name, '--text', 'ab')['tokens'][-1], 2)
            ends, plain = (self.json_of('run', model, '-p', 'ab', '-n', '8')
                           for model in (file.name, program.tiny_model()))
        self.assertEqual(ends['prompt_tokens'], plain['prompt_tokens'])
        self.assertEqual(ends['tokens'], plain['tokens'])

    def test_special_tokens_are_text_unless_asked_for(self):
        model = program.tiny_model()
        parsed = self.json_of('run', model, '--special', '-p', 'ab</s>', '-n', '1')['prompt_tokens']
        text = self.json_of('run', model, '-p', 'ab</s>', '-n', '1')['prompt_tokens']
        self.assertEqual((parsed[0], parsed[-1]), (1, 2))
        self.assertNotIn(2, text)
        self.assertGreater(len(text), len(parsed))
        # A prompt that brings its own BOS gets no second one.
        self.assertEqual(self.json_of('run', model, '--special', '-p', '<s>', '-n', '1')['prompt_tokens'], [1])

    def test_a_prompt_that_looks_like_a_flag(self):
        run = self.json_of('run', bundled_model(), '-p', '--help', '-n', '1')
        self.assertGreater(len(run['prompt_tokens']), 1)

    def test_reference_numerics_give_the_golden_tokens(self):
        for name in ('stories260K-f32', 'tinystories-1.4M-f16', 'tinystories-1.4M-q8_0'):
            result = program.golden(name)[0]
            run = self.json_of('run', program.shared_model(f'{name}.gguf'), '-p', result['prompt'], '-n', '64',
                               '--numerics', 'reference', '--kv-type', 'f32', '--ignore-eos')
            self.assertEqual(run['prompt_tokens'], result['prompt_tokens'])
            self.assertEqual(run['tokens'], result['greedy_tokens'][:64], name)


class InterruptTest(ProgramTest):

    def start(self, *flags):
        """A run that takes as long as the context allows, stopped once its first text is there."""
        model = program.shared_model('tinystories-3.8M-f16.gguf')
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [program.BINARY, 'run', model, '-p', PROMPT, '--ignore-eos', '--numerics', 'reference', '--threads', '1',
             *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_control_c_prints_what_there_is_and_fails(self):
        process = self.start()
        first = os.read(process.stdout.fileno(), 1)
        process.send_signal(signal.SIGINT)
        rest, message = process.communicate(timeout=60)
        text = (first + rest).decode('utf-8')
        self.assertGreater(len(text), 0)
        if process.returncode == program.DONE:
            self.skipTest('the machine was faster than the signal')
        self.assertEqual(process.returncode, FAILED)
        self.assertRegex(message.decode(), r'^llmrt: interrupted after \d+ tokens\n$')
        whole = self.json_of('run', program.shared_model('tinystories-3.8M-f16.gguf'), '-p', PROMPT, '--ignore-eos',
                             '--numerics', 'reference')['text']
        self.assertTrue(whole.startswith(text), text)
        self.assertLess(len(text), len(whole))


class GoldenLogprobTest(ProgramTest):

    def test_logprobs_of_reference_numerics_are_the_golden_ones(self):
        # The golden file has float64 logits of about 20 with six digits; float32 between ops rounds each to 2^-24 of
        # itself, which grows to some 1e-5 after five layers. A tenfold margin for the worst of single tokens.
        result = program.golden('tinystories-1.4M-f16')[0]
        run = self.json_of('run', program.shared_model('tinystories-1.4M-f16.gguf'), '-p', result['prompt'], '-n', '32',
                           '--numerics', 'reference', '--kv-type', 'f32', '--logprobs', '--ignore-eos')
        for step in (0, 1, 15, 31):
            expected = golden_logprob(result, step)
            self.assertTrue(math.isclose(run['logprobs'][step], expected, abs_tol=1e-4), (step, expected))


def golden_logprob(result, step):
    """Log-probability of the greedy token of a step: its logit, the best one, less the log-sum-exp."""
    logits = next(entry for entry in result['logits'] if entry['step'] == step)
    return logits['top5'][0][1] - logits['logsumexp']


if __name__ == '__main__':
    program.main()
