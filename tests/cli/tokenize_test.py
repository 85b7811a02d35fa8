"""llmrt tokenize against the vectors of the shared vocabularies, which have no tensors."""

import pathlib
import tempfile

import program
from program import FAILED, ProgramTest

SEPARATOR = '\n__ggml_vocab_test__\n'


def vectors(name):
    """(text, token ids without BOS and EOS) of a vocabulary."""
    folder = program.SHARED / 'tokenizers'
    texts = pathlib.Path(program.require(folder / f'{name}.inp')).read_text(encoding='utf-8').split(SEPARATOR)
    lines = (folder / f'{name}.out').read_text(encoding='utf-8').split('\n')
    return [(text, [int(word) for word in line.split()]) for text, line in zip(texts, lines)]


def vocabulary(name):
    return program.require(program.SHARED / 'tokenizers' / f'{name}.gguf')


class TokenizeTest(ProgramTest):

    def test_files_give_the_ids_of_the_vectors(self):
        for name in ('llama-spm', 'gpt-2'):
            pairs = vectors(name)
            self.assertGreater(len(pairs), 30)
            for text, expected in pairs:
                with self.subTest(vocabulary=name, text=text), tempfile.NamedTemporaryFile() as file:
                    file.write(text.encode('utf-8'))
                    file.flush()
                    result = self.json_of('tokenize', vocabulary(name), '--file', file.name, '--plain')
                    self.assertEqual(result['tokens'], expected)

    def test_text_and_file_agree(self):
        text = 'Hello, world!\n\tÄpfel 🦙'
        with tempfile.NamedTemporaryFile() as file:
            file.write(text.encode('utf-8'))
            file.flush()
            by_file = self.json_of('tokenize', vocabulary('qwen2'), '--file', file.name)
        self.assertEqual(self.json_of('tokenize', vocabulary('qwen2'), '--text', text), by_file)

    def test_plain_leaves_out_bos_and_special_tokens(self):
        model = vocabulary('llama-bpe')
        whole = self.json_of('tokenize', model, '--text', 'a<|eot_id|>')['tokens']
        plain = self.json_of('tokenize', model, '--text', 'a<|eot_id|>', '--plain')['tokens']
        self.assertEqual((whole[0], whole[-1]), (128000, 128009))
        self.assertNotIn(128000, plain)
        self.assertNotIn(128009, plain)
        self.assertGreater(len(plain), len(whole))

    def test_people_see_a_line_a_token_with_its_bytes(self):
        lines = self.succeed('tokenize', vocabulary('gpt-2'), '--text', 'Hello world\n🦙', '--plain').decode().split('\n')
        self.assertEqual([line.strip() for line in lines[:3]], ['15496  "Hello"', '995  " world"', '198  "\\n"'])
        # The llama takes several tokens; their bytes are no characters.
        self.assertIn('"\\x', lines[4] + lines[5])
        self.assertEqual(lines[-1], '')

    def test_sentencepiece_keeps_blanks_inside_a_text(self):
        lines = self.succeed('tokenize', vocabulary('llama-spm'), '--text', 'Hello world', '--plain').decode().split('\n')
        self.assertEqual([line.split(None, 1)[1] for line in lines if line], ['"Hello"', '" world"'])

    def test_an_empty_text_is_bos_or_nothing(self):
        self.assertEqual(self.json_of('tokenize', vocabulary('llama-spm'), '--text', '')['tokens'], [1])
        self.assertEqual(self.json_of('tokenize', vocabulary('llama-spm'), '--text', '', '--plain')['tokens'], [])
        self.assertEqual(self.succeed('tokenize', vocabulary('gpt-2'), '--text', '', '--plain'), b'')

    def test_invalid_utf8_is_refused_with_its_place(self):
        self.refuse(FAILED, 'tokenize', vocabulary('gpt-2'), '--text', b'abc\xff', says='3')


if __name__ == '__main__':
    program.main()
