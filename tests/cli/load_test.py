"""llmrt load: the fields of its JSON, that modes do the same work, and what static batching adds to it."""

import pathlib
import re
import signal
import subprocess
import time

import program
from program import FAILED, WRONG_USAGE, ProgramTest, bundled_model

SMALL = ('--requests', '12', '--prompt-mean', '12', '--output-mean', '8', '--context', '64')


def catches_interrupts(pid):
    """Whether the process has a handler for SIGINT by now, which is signal number 2: bit 1."""
    status = pathlib.Path(f'/proc/{pid}/status').read_text(encoding='ascii')
    return int(re.search(r'SigCgt:\s*([0-9a-f]+)', status).group(1), 16) & 2 != 0


class LoadTest(ProgramTest):

    def load(self, *flags):
        return self.json_of('load', bundled_model(), *SMALL, *flags)

    def test_json_has_the_fields_of_the_contract(self):
        load = self.load('--rate', '200')
        for field in ('ttft_ms', 'tpot_ms', 'itl_ms'):
            self.assertEqual(list(load[field]), ['p50', 'p90', 'p99'])
            self.assertGreaterEqual(load[field]['p50'], 0)
            self.assertLessEqual(load[field]['p50'], load[field]['p90'])
            self.assertLessEqual(load[field]['p90'], load[field]['p99'])
        self.assertEqual((load['requests'], load['rejected'], load['preemptions']), (12, 0, 0))
        self.assertGreater(load['duration_s'], 0)
        self.assertAlmostEqual(load['tokens_per_second'] * load['duration_s'] / load['output_tokens'], 1, places=6)
        self.assertGreaterEqual(load['cached_tokens'], 0)
        self.assertEqual(load['tokens_recomputed'], 0)
        # Blocks of 16 tokens, and a few tokens each: some of the slots are empty, never all.
        self.assertTrue(0 < load['kv_waste'] < 1, load['kv_waste'])

    def test_modes_do_what_was_asked_for(self):
        burst = self.load('--rate', '0')
        early = self.load('--rate', '0', '--mode', 'static-early', '--static-batch', '4')
        static = self.load('--rate', '0', '--mode', 'static', '--static-batch', '4')
        for field in ('prompt_tokens', 'output_tokens', 'requests'):
            self.assertEqual(burst[field], early[field])
            self.assertEqual(burst[field], static[field])
        self.assertEqual(burst['generated_tokens'], burst['output_tokens'])
        self.assertEqual(early['generated_tokens'], early['output_tokens'])
        # Every row runs to the longest answer of its group, which is more than most asked for.
        self.assertGreater(static['generated_tokens'], static['output_tokens'])

    def test_a_group_of_one_wastes_nothing(self):
        static = self.load('--rate', '0', '--mode', 'static', '--static-batch', '1')
        self.assertEqual(static['generated_tokens'], static['output_tokens'])

    def test_waiting_for_a_group_counts_as_waiting_for_the_first_token(self):
        # Twelve requests a fiftieth of a second apart on average make one group, which starts when the last has come.
        static = self.load('--rate', '50', '--mode', 'static', '--static-batch', '12')
        burst = self.load('--rate', '0')
        self.assertGreater(static['ttft_ms']['p99'], burst['ttft_ms']['p50'])
        self.assertGreater(static['ttft_ms']['p99'], 50)

    def test_less_memory_than_the_requests_want_preempts_and_rejects_nobody(self):
        load = self.load('--rate', '0', '--sessions', '1')
        self.assertEqual(load['rejected'], 0)
        self.assertEqual(load['output_tokens'], self.load('--rate', '0')['output_tokens'])

    def test_requests_that_find_no_memory_are_rejected_and_the_rest_goes_on(self):
        # Prompts and sessions of so many at once want more heap than there is, wherever in a request it ends.
        plan = self.json_of('plan', bundled_model(), '--context', '512', '--sessions', '1')
        if plan['heap_bytes'] == 0:
            self.skipTest('a sanitizer keeps its own operator new: nothing counts the heap')
        requests = ('--rate', '0', '--requests', '1500', '--prompt-mean', '3000', '--output-mean', '1', '--context', '512')
        load = self.json_of('load', bundled_model(), *requests, '--sessions', '1', '--memory', str(plan['total_bytes']))
        self.assertGreater(load['rejected'], 0)
        self.assertLess(load['rejected'], 1500)
        self.assertEqual(load['requests'], 1500)

    def test_seeds_repeat_the_requests(self):
        first, again, other = (self.load('--rate', '0', '--seed', seed) for seed in '112')
        self.assertEqual(first['prompt_tokens'], again['prompt_tokens'])
        self.assertEqual(first['output_tokens'], again['output_tokens'])
        self.assertNotEqual((first['prompt_tokens'], first['output_tokens']),
                            (other['prompt_tokens'], other['output_tokens']))

    def test_answers_of_one_token_have_no_time_per_token(self):
        load = self.json_of('load', bundled_model(), '--rate', '0', '--requests', '1', '--output-mean', '1', '--seed', '3',
                            '--context', '4')
        self.assertEqual(load['output_tokens'], 1)
        self.assertIsNone(load['tpot_ms']['p50'])
        self.assertIsNotNone(load['ttft_ms']['p99'])

    def test_people_get_a_table(self):
        text = self.succeed('load', bundled_model(), *SMALL, '--rate', '0').decode()
        self.assertRegex(text, r'^12 requests in ')
        one = self.succeed('load', bundled_model(), '--requests', '1', '--output-mean', '1', '--context', '4', '--rate', '0')
        self.assertRegex(one.decode(), r'^1 request in ')
        for row in ('to the first token', 'per output token', 'between tokens'):
            self.assertRegex(text, rf'(?m)^{row} ')

    def test_wrong_usage_is_named(self):
        for flag, value in (('--requests', '0'), ('--requests', '99999999'), ('--mode', 'dynamic'), ('--prompt-mean', '0'),
                            ('--output-mean', '-1'), ('--context', '3'), ('--seed', '-1'), ('--static-batch', '4'),
                            ('--sessions', '0')):
            flags = ('--rate', '1') + (() if flag == '--requests' else ('--requests', '1'))
            self.refuse(WRONG_USAGE, 'load', bundled_model(), *flags, flag, value, says=flag)
        self.refuse(WRONG_USAGE, 'load', bundled_model(), '--rate', '-1', '--requests', '1', says='--rate')

    def test_what_does_not_fit_is_a_failure(self):
        self.refuse(FAILED, 'load', bundled_model(), '--rate', '0', '--requests', '1', '--context', '1000000', says='context')
        self.refuse(FAILED, 'load', bundled_model(), '--rate', '0', '--requests', '1', '--memory', '1000', says='memory')

    def test_control_c_ends_it(self):
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [program.BINARY, 'load', bundled_model(), '--rate', '0.001', '--requests', '3'], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + 60
        while not catches_interrupts(process.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, message = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (FAILED, b''))
        self.assertRegex(message.decode(), r'^llmrt: interrupted.*\n$')


if __name__ == '__main__':
    program.main()
