"""llmrt synth: files of random weights that the runtime loads, whatever their type."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time

import program
from program import FAILED, WRONG_USAGE, ProgramTest

TYPES = ('f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k_s', 'q4_k_m', 'q4_k', 'q5_k_s', 'q5_k_m',
         'q5_k', 'q6_k')


class SynthTest(ProgramTest):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = str(self.folder / 'model.gguf')

    def test_inspect_reads_the_shape_back(self):
        made = self.json_of('synth', '--shape', 'tiny', '--type', 'q4_k_m', self.out, '--seed', '5')
        seen = self.json_of('inspect', self.out)
        self.assertEqual((made['path'], made['shape'], made['type'], made['seed']), (self.out, 'tiny', 'q4_k_m', 5))
        self.assertEqual(made['file_bytes'], seen['file_bytes'])
        self.assertEqual((seen['vocab_size'], seen['context_length'], seen['bos_id'], seen['eos_id']), (1024, 2048, 1, 2))
        for key, value in (('general.architecture', 'llama'), ('llama.block_count', '4'), ('llama.embedding_length', '256'),
                           ('llama.feed_forward_length', '768'), ('llama.attention.head_count', '4'),
                           ('llama.attention.head_count_kv', '2')):
            self.assertEqual(seen['metadata'][key], value, key)
        types = {tensor['name']: tensor['type'] for tensor in seen['tensors']}
        self.assertEqual(types['output.weight'], 'Q6_K')
        self.assertEqual(types['token_embd.weight'], 'Q4_K')
        self.assertEqual(types['blk.3.ffn_down.weight'], 'Q6_K')
        self.assertEqual(types['blk.1.ffn_down.weight'], 'Q4_K')
        self.assertEqual(types['blk.0.attn_norm.weight'], 'F32')

    def test_every_type_loads_and_generates(self):
        for name in TYPES:
            with self.subTest(type=name):
                self.assertIn(b' MB', self.succeed('synth', '--shape', 'tiny', '--type', name, self.out))
                run = self.json_of('run', self.out, '-p', 'the cat', '-n', '8', '--ignore-eos', '--logprobs')
                self.assertEqual(len(run['tokens']), 8)
                # Weights that make sense make no token sure: 1024 of them share the probability.
                self.assertTrue(all(-7 < value < -0.1 for value in run['logprobs']), run['logprobs'])

    def test_seeds_repeat(self):
        files = []
        for name, seed in (('a', '1'), ('b', '1'), ('c', '2')):
            path = self.folder / name
            self.succeed('synth', '--shape', 'tiny', '--type', 'q5_0', str(path), '--seed', seed)
            files.append(path.read_bytes()[-4096:])
        self.assertEqual(files[0], files[1])
        self.assertNotEqual(files[0], files[2])

    def test_an_existing_file_is_replaced_whole(self):
        pathlib.Path(self.out).write_bytes(b'x' * 10000000)
        self.succeed('synth', '--shape', 'tiny', '--type', 'q4_0', self.out)
        self.json_of('inspect', self.out)

    def test_wrong_usage_is_named(self):
        self.refuse(WRONG_USAGE, 'synth', '--shape', 'tiny', '--type', 'q4_0', says='OUT is missing')
        self.refuse(WRONG_USAGE, 'synth', self.out, '--type', 'q4_0', says='--shape is missing')
        self.refuse(WRONG_USAGE, 'synth', self.out, '--shape', 'tiny', says='--type is missing')
        self.refuse(WRONG_USAGE, 'synth', self.out, '--shape', 'gpt', '--type', 'q4_0', says='llama-3.2-1b')
        self.refuse(WRONG_USAGE, 'synth', self.out, '--shape', 'tiny', '--type', 'q2_k', says='q4_k_m')
        self.refuse(WRONG_USAGE, 'synth', self.out, '--shape', 'tiny', '--type', 'f32', '--seed', '-1', says='--seed')
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_file_that_cannot_be_written_is_a_failure(self):
        missing = str(self.folder / 'missing' / 'model.gguf')
        self.refuse(FAILED, 'synth', '--shape', 'tiny', '--type', 'q4_0', missing, says='missing')
        folder = self.folder / 'folder'
        folder.mkdir()
        self.refuse(FAILED, 'synth', '--shape', 'tiny', '--type', 'q4_0', str(folder), says='folder')
        self.assertEqual(list(self.folder.iterdir()), [folder])
        pipe = folder / 'pipe'
        os.mkfifo(pipe)
        self.refuse(FAILED, 'synth', '--shape', 'tiny', '--type', 'q4_0', str(pipe), says='name another file')
        self.assertTrue(pipe.is_fifo())
        self.assertEqual(list(folder.iterdir()), [pipe])

    def test_control_c_leaves_nothing(self):
        self.stop_with(signal.SIGINT)

    def test_being_told_to_end_leaves_nothing(self):
        self.stop_with(signal.SIGTERM)
        self.stop_with(signal.SIGHUP)

    def stop_with(self, number):
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [program.BINARY, 'synth', '--shape', 'llama-3.1-8b', '--type', 'f32', self.out], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        part = pathlib.Path(self.out + '.part')
        while process.poll() is None and not part.exists():
            time.sleep(0.002)
        process.send_signal(number)
        out, message = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (FAILED, b''))
        self.assertRegex(message.decode(), r'^llmrt: interrupted.*\n$')
        self.assertEqual(list(self.folder.iterdir()), [])


if __name__ == '__main__':
    program.main()
