"""llmrt bench: the fields of its JSON, what they say of each other, and its limits."""

import pathlib
import signal
import subprocess
import tempfile
import time
from xml.etree import ElementTree

import program
from program import FAILED, WRONG_USAGE, ProgramTest, bundled_model

README = pathlib.Path(__file__).parents[2] / 'bench/README.md'
SMALL = ('--pp', '24', '--tg', '6', '--repeat', '2')
SPECULATE = ('--speculate', '--tg', '12', '--repeat', '2', '--batch', '1,3', '--acceptance', '20,100')


class BenchTest(ProgramTest):

    def test_json_has_the_fields_of_the_contract(self):
        bench = self.json_of('bench', bundled_model(), *SMALL, '--batch', '1,3', '--depth', '0,20', '--threads', '2')
        self.assertTrue(bench['device'].startswith('cpu/'), bench['device'])
        self.assertEqual(bench['threads'], 2)
        cases = [(result['kind'], result['batch'], result['depth'], result['prompt'], result['generated'])
                 for result in bench['results']]
        self.assertEqual(cases, [('prefill', 1, 0, 24, 0), ('decode', 1, 0, 0, 6), ('decode', 3, 0, 0, 6),
                                 ('prefill', 1, 20, 24, 0), ('decode', 1, 20, 0, 6), ('decode', 3, 20, 0, 6)])
        for result in bench['results']:
            self.assertGreater(result['tokens_per_second'], 0)
            self.assertLessEqual(result['tokens_per_second_min'], result['tokens_per_second'])
            self.assertLessEqual(result['tokens_per_second'], result['tokens_per_second_max'])
            self.assertEqual(result['repeats'], 2)

    def test_every_field_is_explained(self):
        bench = self.json_of('bench', program.tiny_model(), '--pp', '4', '--tg', '2', '--repeat', '1', '--batch', '1', '--loads', '1')
        readme = README.read_text(encoding='utf-8')
        lists = (bench['results'], bench['ceilings']['read'], bench['ceilings']['compute'])
        fields = {*bench, *bench['ceilings'], *(field for entries in lists for entry in entries for field in entry)}
        self.assertEqual([field for field in sorted(fields) if f'`{field}`' not in readme], [])

    def test_bytes_follow_the_formula(self):
        bench = self.json_of('bench', bundled_model(), *SMALL, '--batch', '2', '--depth', '20')
        plan = self.json_of('plan', bundled_model(), '--context', '64')
        if bench['read_bandwidth_bytes_per_second'] is None:
            program.skip('the read bandwidth of this machine cannot be measured')
        self.assertEqual(bench['kv_bytes_per_token'], plan['kv_bytes_per_token'])
        decode = bench['results'][1]
        step = bench['weights_bytes_per_step'] + 2 * plan['kv_bytes_per_token'] * (20 + (6 + 1) / 2)
        expected = decode['tokens_per_second'] / 2 * step
        self.assertAlmostEqual(decode['bytes_per_second'] / expected, 1, places=9)
        share = decode['bytes_per_second'] / bench['read_bandwidth_bytes_per_second']
        self.assertAlmostEqual(decode['fraction_of_bandwidth'] / share, 1, places=9)

    def test_loading_is_timed_and_its_memory_counted(self):
        bench = self.json_of('bench', bundled_model(), *SMALL, '--batch', '1', '--depth', '20', '--loads', '4')
        self.assertEqual(bench['loads'], 4)
        self.assertGreater(bench['load_ms_min'], 0)
        self.assertLessEqual(bench['load_ms_min'], bench['load_ms'])
        self.assertLessEqual(bench['load_ms'], bench['load_ms_max'])
        if bench['peak_rss_bytes'] is None:
            program.skip('this system does not tell how much memory a process has')
        self.assertLessEqual(bench['peak_rss_after_load_bytes'], bench['peak_rss_bytes'])
        # The longest case holds 20 + 24 tokens.
        self.assertEqual(bench['kv_used_bytes'], 44 * bench['kv_bytes_per_token'])
        self.assertLessEqual(bench['kv_used_bytes'], bench['kv_bytes'])
        self.assertEqual(bench['peak_rss_without_kv_bytes'],
                         max(bench['peak_rss_bytes'] - bench['kv_used_bytes'], bench['peak_rss_after_load_bytes']))

    def test_ceilings_stand_beside_the_figures(self):
        bench = self.json_of('bench', bundled_model(), *SMALL, '--batch', '1', '--loads', '1')
        reads = bench['ceilings']['read']
        if not reads:
            program.skip('the read bandwidth of this machine cannot be measured')
        self.assertEqual(sorted({read['streams'] for read in reads}), [1, 4, 8, 16])
        best = max(bench['read_bandwidth_before'], bench['read_bandwidth_after'],
                   *(read['bytes_per_second'] for read in reads))
        self.assertEqual(bench['read_bandwidth_bytes_per_second'], best)
        names = [compute['name'] for compute in bench['ceilings']['compute']]
        self.assertEqual(len(names), len(set(names)))
        if bench['device'] != 'cpu/portable':
            self.assertIn('f32 avx2', names)

    def test_operations_are_those_of_the_matrices_and_of_attention(self):
        bench = self.json_of('bench', bundled_model(), *SMALL, '--batch', '1', '--depth', '20', '--loads', '1')
        tensors = {tensor['name']: tensor['dims'] for tensor in self.json_of('inspect', bundled_model())['tensors']}
        layers = sum(dims[0] * dims[1] for name, dims in tensors.items() if name.startswith('blk.') and len(dims) == 2)
        output = tensors.get('output.weight', tensors['token_embd.weight'])
        query = sum(dims[1] for name, dims in tensors.items() if name.endswith('attn_q.weight'))
        prefill, decode = bench['results']
        for result, outputs, positions in ((prefill, 1 / 24, 20 + 25 / 2), (decode, 1, 20 + 7 / 2)):
            expected = 2 * layers + 2 * outputs * output[0] * output[1] + 4 * query * positions
            share = result['operations_per_second'] / result['tokens_per_second']
            self.assertAlmostEqual(share / expected, 1, places=9)

    def test_defaults_fit_a_model_of_a_short_context(self):
        # The tiny model holds fewer tokens than the 512 of the default.
        context = self.json_of('inspect', program.tiny_model())['context_length']
        bench = self.json_of('bench', program.tiny_model(), '--repeat', '1')
        self.assertLess(context, 512)
        self.assertEqual(bench['results'][0]['prompt'], context - 2)
        self.assertEqual([result['batch'] for result in bench['results'][1:]], [1, 4, 16])

    def test_either_kind_can_be_left_out(self):
        for flag, kind in (('--pp', 'decode'), ('--tg', 'prefill')):
            other = ('--tg', '4') if flag == '--pp' else ('--pp', '8')
            bench = self.json_of('bench', bundled_model(), flag, '0', *other, '--repeat', '1', '--batch', '2')
            self.assertEqual([result['kind'] for result in bench['results']], [kind])

    def test_the_reference_mode_has_no_bandwidth(self):
        bench = self.json_of('bench', program.tiny_model(), '--pp', '4', '--tg', '2', '--repeat', '1', '--batch', '1', '--numerics',
                             'reference')
        for field in ('read_bandwidth_bytes_per_second', 'read_bandwidth_before', 'read_bandwidth_after', 'weights_bytes_per_step'):
            self.assertIsNone(bench[field], field)
        self.assertIsNone(bench['results'][1]['fraction_of_bandwidth'])
        self.assertEqual(bench['ceilings'], {'read': [], 'compute': []})

    def test_people_get_a_table(self):
        text = self.succeed('bench', bundled_model(), *SMALL, '--batch', '1').decode()
        self.assertRegex(text, r'^cpu/\w+, \d+ threads')
        self.assertRegex(text, r'(?m)^loaded in \d+ ms ')
        for row in ('prefill +1 +0 +24', 'decode +1 +0 +6'):
            self.assertRegex(text, rf'(?m)^{row} ')

    def test_wrong_usage_is_named(self):
        for flag, value in (('--pp', '-1'), ('--tg', '1'), ('--tg', '-1'), ('--repeat', '0'), ('--loads', '0'), ('--batch', '0'),
                            ('--batch', '1,'), ('--batch', '100000'), ('--depth', '-1'), ('--depth', 'x')):
            self.refuse(WRONG_USAGE, 'bench', bundled_model(), flag, value, says=flag)
        self.refuse(WRONG_USAGE, 'bench', bundled_model(), '--pp', '0', '--tg', '0', says='nothing')

    def test_what_does_not_fit_is_a_failure(self):
        self.refuse(FAILED, 'bench', bundled_model(), '--depth', '1000000', says='context')
        self.refuse(FAILED, 'bench', bundled_model(), *SMALL, '--memory', '1000', says='memory')
        self.refuse(FAILED, 'bench', 'no-such-file.gguf', says='no-such-file')

    def test_control_c_ends_it(self):
        # So short that hardly ever anybody waits for a stream.
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [program.BINARY, 'bench', program.tiny_model(), '--pp', '1', '--tg', '2', '--batch', '1', '--repeat', '100000000'],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, message = process.communicate(timeout=60)
        # Before anything was loaded, on a slow machine, the signal itself ends the program.
        if process.returncode != -signal.SIGINT:
            self.assertEqual((process.returncode, out), (FAILED, b''))
            self.assertRegex(message.decode(), r'^llmrt: .*\n$')


class SpeculateTest(ProgramTest):

    def test_json_has_a_result_for_each_case(self):
        bench = self.json_of('bench', bundled_model(), *SPECULATE, '--threads', '2')
        self.assertTrue(bench['device'].startswith('cpu/'), bench['device'])
        self.assertEqual((bench['model'], bench['threads'], bench['generated']), (bundled_model(), 2, 12))
        self.assertIn('device=', bench['fingerprint'])
        cases = [(result['drafter'], result['acceptance'], result['batch']) for result in bench['results']]
        self.assertEqual(cases, [('replay', 0.2, 1), ('replay', 0.2, 3), ('replay', 1.0, 1), ('replay', 1.0, 3),
                                 ('lookup', None, 1), ('lookup', None, 3)])
        for result in bench['results']:
            self.assertEqual((result['kind'], result['pairs']), ('speculation', 2))
            self.assertGreater(result['speedup_min'], 0)
            self.assertLessEqual(result['speedup_min'], result['speedup'])
            self.assertLessEqual(result['speedup'], result['speedup_max'])
            self.assertGreater(result['plain_tokens_per_second'], 0)
            self.assertLessEqual(result['accepted'], result['drafted'])
            self.assertGreaterEqual(result['tokens_per_step'], 1)
            # A step gives one token, and one more for each draft that was right.
            tokens = 2 * 12 * result['batch']
            self.assertAlmostEqual(result['tokens_per_step'], tokens / (tokens - result['accepted']), places=9)
        self.assertEqual(bench['results'][2]['accepted'], bench['results'][2]['drafted'])

    def test_every_field_is_explained(self):
        bench = self.json_of('bench', bundled_model(), *SPECULATE)
        readme = README.read_text(encoding='utf-8')
        fields = {*bench, *bench['results'][0]}
        self.assertEqual([field for field in sorted(fields) if f'`{field}`' not in readme], [])

    def test_people_get_a_table_and_a_chart(self):
        with tempfile.TemporaryDirectory() as folder:
            chart = pathlib.Path(folder) / 'chart.svg'
            text = self.succeed('bench', bundled_model(), *SPECULATE, '--chart', str(chart)).decode()
            root = ElementTree.parse(chart).getroot()
        self.assertRegex(text, r' on cpu/\w+, \d+ threads, 12 tokens a stream\n')
        for row in ('replay, 20 % right +1', 'replay, 20 % right +3', 'replay, 100 % right +3', 'prompt lookup +3'):
            self.assertRegex(text, rf'(?m)^{row} ')
        space = '{http://www.w3.org/2000/svg}'
        self.assertEqual(root.tag, f'{space}svg')
        self.assertEqual(len(root.findall(f'{space}polyline')), 3)
        self.assertIn('prompt lookup', [element.text for element in root.iter(f'{space}text')])

    def test_wrong_usage_is_named(self):
        for flags, says in ((('--acceptance', '20'), '--speculate'), (('--chart', 'x.svg'), '--speculate'),
                            (('--speculate', '--pp', '8'), '--pp'), (('--speculate', '--depth', '8'), '--depth'),
                            (('--speculate', '--loads', '2'), '--loads'), (('--speculate', '--tg', '0'), '--tg'),
                            (('--speculate', '--acceptance', '101'), '--acceptance'),
                            (('--speculate', '--acceptance', '-1'), '--acceptance'),
                            (('--speculate', '--acceptance', 'most'), '--acceptance'),
                            (('--speculate', '--batch', '0'), '--batch'), (('--speculate', '--repeat', '0'), '--repeat')):
            self.refuse(WRONG_USAGE, 'bench', bundled_model(), *flags, says=says)

    def test_what_cannot_be_done_is_a_failure(self):
        self.refuse(FAILED, 'bench', bundled_model(), '--speculate', '--tg', '100000', says='context')
        self.refuse(FAILED, 'bench', bundled_model(), '--speculate', '--chart', '/no-such-folder/x.svg',
                    says='/no-such-folder/x.svg')
        self.refuse(FAILED, 'bench', 'no-such-file.gguf', '--speculate', says='no-such-file')


if __name__ == '__main__':
    program.main()
