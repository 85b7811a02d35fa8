"""Files, prompts and limits that cannot work: exit status 1, one line that says why, and never a signal."""

import os
import pathlib
import resource
import subprocess
import tempfile

import gguf_edit
import program
from program import FAILED, ProgramTest, bundled_model


def _commands(model, text):
    """Every command on a model file; `text` is a file with some text."""
    return (('run', model, '-p', 'x', '-n', '1'), ('chat', model, '-n', '1'), ('tokenize', model, '--text', 'x'),
            ('inspect', model), ('plan', model), ('eval', model, '--text', text),
            ('bench', model, '--pp', '8', '--tg', '2', '--repeat', '1', '--batch', '1'),
            ('load', model, '--rate', '0', '--requests', '2', '--output-mean', '2'))


class BadInputTest(ProgramTest):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.text = str(self.folder / 'text.txt')
        pathlib.Path(self.text).write_text('Once upon a time there was a mill.', encoding='utf-8')

    def write(self, data):
        path = self.folder / 'model.gguf'
        path.write_bytes(data)
        return str(path)

    def refuse_everywhere(self, model, says=''):
        for arguments in _commands(model, self.text):
            with self.subTest(command=arguments[0]):
                self.refuse(FAILED, *arguments, says=says)

    def test_a_missing_file(self):
        self.refuse_everywhere(str(self.folder / 'missing.gguf'), says='missing.gguf')

    def test_a_folder(self):
        self.refuse_everywhere(str(self.folder))

    def test_a_file_without_permission(self):
        if os.geteuid() == 0:
            self.skipTest('root reads everything')
        path = self.write(b'GGUF')
        os.chmod(path, 0)
        self.refuse_everywhere(path)

    def test_an_empty_file(self):
        self.refuse_everywhere(self.write(b''))

    def test_a_text_file(self):
        self.refuse_everywhere(self.text)

    def test_a_file_cut_short_anywhere(self):
        whole = pathlib.Path(bundled_model()).read_bytes()
        for length in (3, 4, 8, 24, 100, 5000, len(whole) // 3, len(whole) - 1):
            with self.subTest(length=length):
                model = self.write(whole[:length])
                self.refuse(FAILED, 'run', model, '-p', 'x', '-n', '1')
                self.refuse(FAILED, 'inspect', model)
                self.refuse(FAILED, 'plan', model)

    def test_a_header_with_flipped_bytes_never_kills(self):
        whole = bytearray(pathlib.Path(bundled_model()).read_bytes())
        for offset in (4, 8, 9, 15, 16, 23, 24, 31, 40, 64):
            with self.subTest(offset=offset):
                changed = bytearray(whole)
                changed[offset] ^= 0xFF
                status = program.llmrt('inspect', self.write(changed)).returncode
                self.assertIn(status, (program.DONE, FAILED))

    def test_a_file_with_many_keys_takes_moments(self):
        keys = {f'some.key.{i}': 'value' for i in range(65000)}  # the limit is 65536
        model = self.write(gguf_edit.with_metadata(pathlib.Path(program.tiny_model()).read_bytes(), keys))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        self.assertLessEqual(keys.items(), self.json_of('inspect', model)['metadata'].items())
        # Time that grows with the keys is under half a second; with their square it is many of them.
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, 3)

    def test_a_vocabulary_alone_cannot_generate(self):
        vocabulary = program.require(program.SHARED / 'tokenizers' / 'llama-spm.gguf')
        self.refuse(FAILED, 'run', vocabulary, '-p', 'x')
        self.refuse(FAILED, 'plan', vocabulary)

    def test_a_prompt_that_is_no_utf8(self):
        self.refuse(FAILED, 'run', bundled_model(), '-p', b'ab\xff', '-n', '1', says='UTF-8')
        self.refuse(FAILED, 'tokenize', bundled_model(), '--text', b'\xc3', says='UTF-8')

    def test_a_prompt_longer_than_the_context(self):
        message = self.refuse(FAILED, 'run', bundled_model(), '-p', 'far away ' * 3000, '-n', '1')
        self.assertRegex(message, r'\d+.*\d+', 'the value and the limit')

    def test_a_budget_that_holds_nothing(self):
        for command in (('run', bundled_model(), '-p', 'x'), ('plan', bundled_model())):
            self.refuse(FAILED, *command, '--memory', '1000')

    def test_a_context_longer_than_the_models(self):
        self.refuse(FAILED, 'plan', bundled_model(), '--context', '1000000')

    def test_a_text_that_is_missing(self):
        missing = str(self.folder / 'missing.txt')
        self.refuse(FAILED, 'eval', bundled_model(), '--text', missing, says='missing.txt')
        self.refuse(FAILED, 'tokenize', bundled_model(), '--file', missing, says='missing.txt')
        self.refuse(FAILED, 'tokenize', bundled_model(), '--file', str(self.folder))

    def test_a_full_disk_under_the_output(self):
        if not os.path.exists('/dev/full'):
            self.skipTest('no /dev/full')
        for arguments in _commands(program.tiny_model(), self.text):
            with self.subTest(command=arguments[0]), open('/dev/full', 'wb') as full:
                # The chat gets two lines, so that it also shows that it ends with the first.
                result = subprocess.run([program.BINARY, *arguments], input=b'Hello\nHello\n', stdout=full,
                                        stderr=subprocess.PIPE, check=False, timeout=100)
                self.assertEqual(result.returncode, FAILED)
                self.assertEqual(result.stderr, b'llmrt: writing to standard output failed\n')


if __name__ == '__main__':
    program.main()
