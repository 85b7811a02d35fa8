"""llmrt eval against perplexities that tools/reference/perplexity.py computed in float64."""

import json
import math
import pathlib
import tempfile

import program
from program import FAILED, ProgramTest, shared_model

TEXT = str(program.DATA / 'cli' / 'eval.txt')
GOLDEN = json.loads((program.DATA / 'cli' / 'eval.json').read_text(encoding='utf-8'))['results']


class EvalTest(ProgramTest):

    def test_reference_numerics_give_the_golden_perplexity(self):
        for golden in GOLDEN:
            with self.subTest(model=golden['model'], context=golden['context']):
                result = self.json_of('eval', shared_model(golden['model']), '--text', TEXT, '--numerics', 'reference',
                                      '--kv-type', 'f32', '--context', str(golden['context']))
                self.assertEqual(result['tokens'], golden['tokens'])
                self.assertEqual((result['window'], result['stride'], result['bos']),
                                 (golden['context'], golden['context'] - 1, True))
                # Float32 between ops rounds to 2^-24 of values up to about 20: 1e-6 a logit, grown to some 1e-5 after
                # five layers. Hardly biased, so the mean over the text, and with it the ratio, stays within that.
                self.assertTrue(math.isclose(result['perplexity'], golden['perplexity'], rel_tol=1e-5), result)

    def test_exact_numerics_stay_near_the_golden_perplexity(self):
        for golden in GOLDEN:
            with self.subTest(model=golden['model'], context=golden['context']):
                result = self.json_of('eval', shared_model(golden['model']), '--text', TEXT, '--context',
                                      str(golden['context']))
                # INT8 activations are off by at most 1/254 of their block's largest value, without bias: 1 % of a
                # log-probability of 2 to 3 at single tokens, a tenth of that in the mean of hundreds.
                self.assertTrue(math.isclose(result['perplexity'], golden['perplexity'], rel_tol=0.01), result)

    def test_the_models_context_is_the_default_window(self):
        model = shared_model('stories260K-f32.gguf')
        given = self.json_of('eval', model, '--text', TEXT, '--context', '512')
        self.assertEqual(self.json_of('eval', model, '--text', TEXT), given)

    def test_the_chunks_of_a_step_and_threads_change_nothing(self):
        model = shared_model('tinystories-1.4M-q8_0.gguf')
        one = self.json_of('eval', model, '--text', TEXT, '--threads', '1')
        self.assertEqual(self.json_of('eval', model, '--text', TEXT, '--threads', '2'), one)

    def test_several_models_stand_in_one_table(self):
        models = [shared_model('tinystories-1.4M-f16.gguf'), shared_model('tinystories-1.4M-q8_0.gguf')]
        lines = self.succeed('eval', *models, '--text', TEXT).decode().splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(lines[0].split(), ['model', 'perplexity', 'tokens', 'window', 'stride', 'BOS'])
        results = self.json_of('eval', *models, '--text', TEXT)['results']
        self.assertEqual([result['model'] for result in results], models)
        for line, result in zip(lines[1:], results):
            self.assertEqual(line.split()[:3], [result['model'], f"{result['perplexity']:.4f}", '217'])
        # Eight bits hardly lose anything.
        self.assertTrue(math.isclose(results[0]['perplexity'], results[1]['perplexity'], rel_tol=0.05))

    def test_a_text_without_tokens_has_no_perplexity(self):
        with tempfile.TemporaryDirectory() as folder:
            empty = pathlib.Path(folder) / 'empty.txt'
            empty.write_bytes(b'')
            self.refuse(FAILED, 'eval', shared_model('stories260K-f32.gguf'), '--text', str(empty), says='0 tokens')

    def test_a_context_too_small_for_a_window(self):
        self.refuse(FAILED, 'eval', shared_model('stories260K-f32.gguf'), '--text', TEXT, '--context', '1')


if __name__ == '__main__':
    program.main()
