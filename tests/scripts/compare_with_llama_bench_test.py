"""bench/compare_with_llama_bench.py on small outputs in the formats of the three programs, with made-up figures."""

import json
import unittest
from xml.etree import ElementTree

from script_case import ROOT, ScriptTest

COMPARE = str(ROOT / 'bench/compare_with_llama_bench.py')


def llama_bench(model='1b-q4_0', prompt=0, generated=64, depth=0, rates=(20.0, 22.0, 21.0), flash=False):
    return {'build_commit': 'abc', 'cpu_info': 'a processor', 'n_threads': 2, 'model_filename': f'/models/{model}.gguf',
            'n_prompt': prompt, 'n_gen': generated, 'n_depth': depth, 'flash_attn': flash, 'samples_ts': list(rates)}


def batched(batch, rate, flash=0):
    return {'pp': 16, 'tg': 16, 'pl': batch, 'flash_attn': flash, 'speed_tg': rate}


def case(kind, rate, batch=1, depth=0, prompt=0):
    return {'kind': kind, 'batch': batch, 'depth': depth, 'prompt': prompt, 'generated': 16, 'tokens_per_second': rate,
            'tokens_per_second_min': rate - 1, 'tokens_per_second_max': rate + 1, 'bytes_per_second': rate * 1e9}


def ours(*cases, model='1b-q4_0'):
    return {'model': f'/models/{model}.gguf', 'device': 'cpu/vnni', 'threads': 2, 'fingerprint': 'build=7;device=cpu/vnni',
            'read_bandwidth_bytes_per_second': 100e9, 'kv_bytes_per_token': 1000, 'kv_used_bytes': 20000,
            'results': list(cases)}


class CompareTest(ScriptTest):

    def write(self, name, *objects, array=False):
        path = self.folder / name
        text = json.dumps(objects) if array else '\n'.join(['a line of a log', *map(json.dumps, objects)])
        path.write_text(text if array or len(objects) != 1 else json.dumps(objects[0]), encoding='utf-8')
        return str(path)

    def compare(self, *arguments):
        result = self.run_script(COMPARE, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in result.stdout.splitlines()]
        return {cells[0]: cells[1:] for cells in lines if len(cells) > 1}

    def test_a_ratio_is_that_of_the_medians(self):
        peer = self.write('peer.json', llama_bench(), llama_bench(prompt=512, generated=0, rates=(100, 100)), array=True)
        mine = self.write('ours.json', ours(case('decode', 42), case('prefill', 200, prompt=512)))
        rows = self.compare(f'peer={peer}', f'ours={mine}')
        decode = rows['decode, batch 1, Q4_0']
        self.assertEqual(decode[:2], ['21.0 (20.0–22.0, n=3)', '42.0 (41.0–43.0, n=1)'])
        # A token is 1 GB here, and memory gives 100 of them a second.
        self.assertEqual(decode[2:4], ['21 %', '42 %'])
        self.assertEqual(decode[4:], ['**2.00**', '1.6', '2', 'aim'])
        self.assertEqual(rows['prefill 512, Q4_0'][4:], ['**2.00**', '3', '5', 'missed by 33 %'])
        self.assertNotIn('prefill 512, Q8_0', rows)

    def test_the_best_way_of_the_peer_counts(self):
        peer = self.write('peer.json', llama_bench(depth=4096, rates=(8, 9), flash=False),
                          llama_bench(depth=4096, rates=(3, 99, 3), flash=True))
        mine = self.write('ours.json', ours(case('decode', 34, depth=4096)))
        row = self.compare(f'peer={peer}', f'ours={mine}')['decode, batch 1, depth 4096, Q4_0']
        self.assertEqual((row[0], row[4]), ('8.50 (8.00–9.00, n=2)', '**4.00**'))

    def test_batches_come_from_the_program_that_has_them(self):
        peer = self.write('1b-q4_0.batched.jsonl', batched(1, 15), batched(8, 50), batched(8, 40, flash=1))
        mine = self.write('ours.json', ours(case('decode', 100, batch=8)))
        rows = self.compare(f'peer={peer}', f'ours={mine}')
        self.assertEqual(rows['decode, batch 8, Q4_0'][4:], ['**2.00**', '3', '5', 'missed by 33 %'])

    def test_variants_are_rows_of_their_own(self):
        peer = self.write('peer.json', llama_bench(rates=(10,)))
        mine = self.write('ours.json', ours(case('decode', 12)))
        rows = self.compare(f'peer/avx2={peer}', f'ours/avx2={mine}')
        self.assertEqual(rows['AVX2 alone: decode, Q4_0'][4:], ['**1.20**', '1', '1.3', 'reach'])
        self.assertNotIn('decode, batch 1, Q4_0', rows)

    def interleaved(self, name, output, seconds=1.0, memory=0):
        return {'name': name, 'round': 1, 'command': ['llama-batched-bench', '-m', '/models/1b-q4_0.gguf'], 'seconds': seconds,
                'peak_rss_bytes': memory, 'output': json.dumps(output)}

    def test_runs_that_took_turns_bring_time_and_memory(self):
        runs = self.write('runs.jsonl', self.interleaved('peer', batched(32, 10)),
                          self.interleaved('ours', ours(case('decode', 60, batch=32))),
                          self.interleaved('peer/load', [llama_bench(generated=1)], seconds=0.5),
                          self.interleaved('ours/load', {'fingerprint': 'of llmrt run'}, seconds=0.6),
                          self.interleaved('peer/memory', [llama_bench(generated=1, depth=9)], memory=1_010_000),
                          self.interleaved('ours/memory', ours(), memory=520_000))
        rows = self.compare(runs)
        self.assertEqual(rows['decode, batch 32, Q4_0'][4], '**6.00**')
        self.assertEqual(rows['load and one token, Q4_0, s'][4:], ['**1.20**', '≤ 1', '', 'missed by 17 %'])
        # Ten tokens of 1000 bytes leave 1 MB of the peer's, and 20000 bytes 0.5 MB of ours.
        self.assertEqual(rows['peak memory without KV, Q4_0, MB'][4:], ['**0.50**', '≤ 0.6', '', 'reach'])

    def test_what_loading_took_is_not_made_less_by_what_came_after_it(self):
        report = {**ours(), 'peak_rss_after_load_bytes': 700_000}
        runs = self.write('runs.jsonl', self.interleaved('peer/memory', [llama_bench(generated=1, depth=9)], memory=1_010_000),
                          self.interleaved('ours/memory', report, memory=710_000))
        self.assertEqual(self.compare(runs)['peak memory without KV, Q4_0, MB'][4], '**0.70**')

    def test_keys_and_values_of_an_unknown_size_are_no_guess(self):
        peer = self.interleaved('peer/memory', [llama_bench(generated=1, depth=9)], memory=1_010_000)
        path = self.write('runs.jsonl', peer, self.interleaved('ours', ours(case('decode', 40), model='1b-q8_0')))
        result = self.run_script(COMPARE, path)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r'\AValueError: peer/memory: .*1b-q4_0.*\n\Z')
        # Another file of ours may know it.
        mine = self.write('ours.json', ours(case('decode', 40)))
        self.assertIn('peak memory without KV, Q4_0, MB', self.compare(path, f'ours={mine}'))
        silent = {**peer, 'output': 'llama-bench: killed'}
        self.assertIn('no JSON in what peer/memory printed', self.run_script(COMPARE, self.write('silent.jsonl', silent, silent)).stderr)

    def test_words_around_the_figures_are_passed_over(self):
        tests = [llama_bench(rates=(20,)), llama_bench(prompt=512, generated=0, rates=(100,))]
        for indent in (None, 2):
            text = f'{{no JSON}}\n[warning] slow\n[1]\n{json.dumps(tests, indent=indent)}\nbuild: 7 {{abc}}\n[done]'
            (self.folder / 'peer.json').write_text(text, encoding='utf-8')
            rows = self.compare(f'peer={self.folder / "peer.json"}')
            self.assertEqual(rows['decode, batch 1, Q4_0'][0], '20.0 (20.0–20.0, n=1)')
            self.assertEqual(rows['prefill 512, Q4_0'][0], '100.0 (100.0–100.0, n=1)')

    def test_a_neighbour_takes_its_share(self):
        runs = self.write('runs.jsonl', self.interleaved('peer', [llama_bench(rates=(20,))]),
                          self.interleaved('peer/neighbour', [llama_bench(rates=(2,))]),
                          self.interleaved('ours', ours(case('decode', 40))),
                          self.interleaved('ours/neighbour', ours(case('decode', 18))))
        row = self.compare(runs)['decode, batch 1, Q4_0: kept beside a busy neighbour']
        self.assertEqual(row[:2], ['0.10', '0.45'])

    def test_the_chart_has_a_bar_for_each_ratio_and_marks_for_all(self):
        peer = self.write('peer.json', llama_bench(), llama_bench('1b-q8_0'), array=True)
        mine = self.write('ours.json', ours(case('decode', 42)), ours(case('decode', 10.5), model='1b-q8_0'), array=True)
        chart = self.folder / 'chart.svg'
        self.compare(f'peer={peer}', f'ours={mine}', '--chart', str(chart))
        space = '{http://www.w3.org/2000/svg}'
        svg = ElementTree.parse(chart).getroot()
        bars = [bar.get('class') for bar in svg.iter(f'{space}rect') if bar.get('class')]
        self.assertEqual(bars, ['met', 'missed'])
        texts = [text.text for text in svg.iter(f'{space}text')]
        self.assertIn('2.00', texts)
        self.assertIn('0.50', texts)
        self.assertIn('not measured', texts)
        marks = [line for line in svg.iter(f'{space}line') if line.get('class') == 'reach']
        self.assertEqual(len(marks), sum(text in ('2.00', '0.50', 'not measured') for text in texts))

    def test_what_is_no_measurement_is_refused(self):
        for name, text in (('empty.json', ''), ('other.json', '{"a": 1}'), ('cut.json', json.dumps(llama_bench())[:-9])):
            (self.folder / name).write_text(text, encoding='utf-8')
            result = self.run_script(COMPARE, f'peer={self.folder / name}')
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr, r'\AValueError: .*\n\Z')
        peer = self.write('peer.json', llama_bench())
        self.assertIn('neither peer nor ours', self.run_script(COMPARE, f'theirs={peer}').stderr)
        self.assertEqual(self.run_script(COMPARE, 'peer=no-such-file').returncode, 1)


if __name__ == '__main__':
    unittest.main(verbosity=2)
