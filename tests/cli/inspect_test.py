"""llmrt inspect and llmrt plan: the numbers agree with the file, with each other and with the planner's formulae."""

import math
import pathlib
import tempfile

import program
from program import ProgramTest, bundled_model, shared_model

# Values of a block and its bytes.
BLOCKS = {'F32': (1, 4), 'F16': (1, 2), 'Q8_0': (32, 34), 'Q4_0': (32, 18), 'Q4_K': (256, 144), 'Q6_K': (256, 210)}
MODELS = ('stories260K-f32', 'tinystories-1.4M-f16', 'tinystories-3.8M-q8_0', 'tinystories-3.8M-q4_k_m')


class InspectTest(ProgramTest):

    def test_tensors_have_the_bytes_of_their_type(self):
        for name in MODELS:
            model = self.json_of('inspect', shared_model(f'{name}.gguf'))
            self.assertGreater(len(model['tensors']), 40)
            for tensor in model['tensors']:
                values, size = BLOCKS[tensor['type']]
                self.assertEqual(tensor['bytes'], math.prod(tensor['dims']) // values * size, tensor)
            self.assertEqual(sum(math.prod(tensor['dims']) for tensor in model['tensors']), model['parameters'])
            self.assertLess(sum(tensor['bytes'] for tensor in model['tensors']), model['file_bytes'])

    def test_the_files_size_and_vocabulary(self):
        path = shared_model('tinystories-1.4M-f16.gguf')
        model = self.json_of('inspect', path)
        self.assertEqual(model['file_bytes'], pathlib.Path(path).stat().st_size)
        self.assertEqual((model['vocab_size'], model['context_length'], model['bos_id']), (4096, 256, 1))

    def test_metadata_is_text_by_key(self):
        metadata = self.json_of('inspect', shared_model('tinystories-1.4M-f16.gguf'))['metadata']
        self.assertEqual(metadata['general.architecture'], 'llama')
        self.assertEqual(metadata['llama.block_count'], '5')
        self.assertTrue(all(isinstance(value, str) for value in metadata.values()))

    def test_every_tensor_names_its_numeric_class(self):
        for name, expected in (('tinystories-3.8M-q8_0', 'int8-blocks-32'), ('stories260K-f32', 'float32-lanes-16')):
            tensors = self.json_of('inspect', shared_model(f'{name}.gguf'))['tensors']
            weights = [tensor for tensor in tensors if tensor['name'].endswith('attn_q.weight')]
            self.assertEqual({tensor['numeric_class'] for tensor in weights}, {expected})

    def test_people_get_a_table_without_the_vocabulary(self):
        text = self.succeed('inspect', bundled_model()).decode('utf-8')
        self.assertIn('general.architecture', text)
        self.assertRegex(text, r'\ntensor +type +dimensions +bytes +numeric class\n')
        self.assertTrue(all(len(line) < 200 for line in text.split('\n')))

    def test_names_in_a_file_cannot_command_the_terminal(self):
        data = pathlib.Path(bundled_model()).read_bytes()
        self.assertIn(b'general.architecture', data)
        # A tensor's name of the same length, with an escape sequence.
        changed = data.replace(b'output_norm.weight', b'output\x1b[31m.weight')
        with tempfile.NamedTemporaryFile() as file:
            file.write(changed)
            file.flush()
            text = program.llmrt('inspect', file.name).stdout
            self.assertNotIn(b'\x1b', text)
            self.assertIn(b'output\\x1b[31m', text)

    def test_types_that_cannot_run_are_named(self):
        data = pathlib.Path(bundled_model()).read_bytes()
        # The directory's entry of output_norm.weight: its name, one dimension of 8 bytes, its type (F32).
        at = data.index(b'output_norm.weight') + len('output_norm.weight') + 4 + 8
        self.assertEqual(data[at:at + 4], bytes(4))
        with tempfile.NamedTemporaryFile() as file:
            file.write(data[:at] + bytes((23, 0, 0, 0)) + data[at + 4:])
            file.flush()
            tensors = {tensor['name']: tensor for tensor in self.json_of('inspect', file.name)['tensors']}
            norm = tensors['output_norm.weight']
            self.assertEqual((norm['type'], norm['bytes'], norm['numeric_class']), ('IQ4_XS', 0, ''))
            self.assertIn('IQ4_XS', self.succeed('inspect', file.name).decode('utf-8'))
            name = pathlib.Path(file.name).name
            self.refuse(program.FAILED, 'plan', file.name,
                        says=f'{name}: tensor "output_norm.weight" has type IQ4_XS, which is not supported; use')

    def test_a_tokenizer_that_is_not_known_hides_nothing_else(self):
        data = pathlib.Path(bundled_model()).read_bytes()
        key = b'tokenizer.ggml.model' + bytes((8, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0))
        self.assertIn(key + b'llama', data)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data.replace(key + b'llama', key + b'rwkvx'))
            file.flush()
            model = self.json_of('inspect', file.name)
            self.assertEqual(model['metadata']['tokenizer.ggml.model'], 'rwkvx')
            self.assertGreater(model['vocab_size'], 0)
            self.refuse(program.FAILED, 'tokenize', file.name, '--text', 'text', says='tokenizer model "rwkvx" is not supported')

    def test_a_vocabulary_has_no_tensors(self):
        model = self.json_of('inspect', program.require(program.SHARED / 'tokenizers' / 'gpt-2.gguf'))
        self.assertEqual((model['tensors'], model['vocab_size']), ([], 50257))


class PlanTest(ProgramTest):

    def test_fields_add_up(self):
        for name in MODELS:
            plan = self.json_of('plan', shared_model(f'{name}.gguf'), '--sessions', '3', '--context', '200')
            self.assertEqual(plan['total_bytes'], plan['weights_bytes'] + plan['kv_bytes'] + plan['workspace_bytes'] + plan['heap_bytes'])
            self.assertEqual(plan['context_length'], 200)
            self.assertGreaterEqual(plan['overhead_bytes'], 0)  # of a CUDA device; 0 on the CPU
            # Three sessions of 200 tokens in whole blocks.
            self.assertGreaterEqual(plan['kv_blocks'], 3 * math.ceil(200 / plan['block_size']))
            self.assertGreaterEqual(plan['kv_bytes'], plan['kv_blocks'] * plan['block_size'] * plan['kv_bytes_per_token'])
            self.assertGreater(plan['decode_tokens_per_second_ceiling'], 0)

    def test_kv_bytes_follow_the_formula(self):
        for name in MODELS:
            path = shared_model(f'{name}.gguf')
            meta = self.json_of('inspect', path)['metadata']
            heads = int(meta['llama.attention.head_count'])
            kv_heads = int(meta.get('llama.attention.head_count_kv', heads))
            head_dim = int(meta['llama.embedding_length']) // heads
            for kv_type, size in (('f32', 4), ('f16', 2), ('bf16', 2)):
                plan = self.json_of('plan', path, '--sessions', '1', '--context', '64', '--kv-type', kv_type)
                self.assertEqual(plan['kv_bytes_per_token'],
                                 2 * int(meta['llama.block_count']) * kv_heads * head_dim * size, (name, kv_type))

    def test_weights_are_what_the_file_holds_and_little_more(self):
        for name in MODELS:
            path = shared_model(f'{name}.gguf')
            in_file = sum(tensor['bytes'] for tensor in self.json_of('inspect', path)['tensors'])
            plan = self.json_of('plan', path)
            self.assertGreaterEqual(plan['weights_bytes'], 0.9 * in_file, name)
            self.assertLess(plan['weights_bytes'], 1.6 * in_file, name)

    def test_the_ceiling_is_bandwidth_over_bytes_read(self):
        plan = self.json_of('plan', shared_model('tinystories-3.8M-q8_0.gguf'))
        read = plan['read_bandwidth_bytes_per_second'] / plan['decode_tokens_per_second_ceiling']
        # A token reads the layers and the output matrix, but one row only of the embedding.
        self.assertLess(read, plan['weights_bytes'] * 1.01)
        self.assertGreater(read, plan['weights_bytes'] * 0.3)

    def test_more_sessions_take_more_blocks(self):
        one, four = (self.json_of('plan', bundled_model(), '--sessions', count, '--context', '128') for count in '14')
        self.assertEqual(four['kv_blocks'], 4 * one['kv_blocks'])
        self.assertEqual(four['weights_bytes'], one['weights_bytes'])

    def test_the_budget_is_a_limit_on_the_total(self):
        free = self.json_of('plan', bundled_model(), '--sessions', '64')
        budget = free['total_bytes'] - free['kv_bytes'] // 2
        bounded = self.json_of('plan', bundled_model(), '--sessions', '64', '--memory', str(budget))
        self.assertLessEqual(bounded['total_bytes'], budget)
        self.assertLess(bounded['kv_blocks'], free['kv_blocks'])

    def test_a_budget_of_the_plans_total_is_enough(self):
        # The plan is a contract: what it says is what loading and running takes, to the byte.
        for flags in ((), ('--threads', '1'), ('--threads', '4'), ('--numerics', 'reference')):
            plan = self.json_of('plan', bundled_model(), *flags)
            run = self.json_of('run', bundled_model(), '-p', 'Hello', '-n', '4', '--ignore-eos', '--memory',
                               str(plan['total_bytes']), *flags)
            self.assertEqual(len(run['tokens']), 4)

    def test_people_get_a_table(self):
        text = self.succeed('plan', bundled_model(), '--sessions', '2', '--context', '64').decode()
        for row in ('weights', 'KV per token', 'KV cache', 'workspace', 'heap', 'total', 'context', 'decode ceiling'):
            self.assertRegex(text, rf'(?m)^{row} ')


if __name__ == '__main__':
    program.main()
