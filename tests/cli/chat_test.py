"""llmrt chat with lines through a pipe: one answer a line, the turns of the model, and a context that fills up."""

import os
import pathlib
import pty
import signal
import subprocess
import tempfile

import gguf_edit
import program
from program import DONE, FAILED, ProgramTest, bundled_model, llmrt, shared_model


def chat(*arguments, lines):
    return llmrt('chat', *arguments, stdin='\n'.join(lines).encode('utf-8'))


class ChatTest(ProgramTest):

    def test_one_answer_a_line_and_nothing_on_stderr(self):
        result = chat(bundled_model(), '-n', '12', lines=['Hello!', '', 'Who are you?'])
        self.assertEqual((result.returncode, result.stderr), (DONE, b''))
        answers = result.stdout.decode('utf-8').split('\n')
        self.assertEqual((len(answers), answers[-1]), (3, ''))

    def test_quit_ends_it(self):
        result = chat(bundled_model(), '-n', '4', lines=['/quit', 'Hello!'])
        self.assertEqual((result.returncode, result.stdout, result.stderr), (DONE, b'', b''))

    def test_no_lines_at_all(self):
        self.assertEqual(self.succeed('chat', bundled_model()), b'')

    def test_an_answer_is_that_of_the_whole_prompt(self):
        flags = ('--user', 'Tom', '--assistant', 'Lily:', '--preamble', 'Tom and Lily are in the park.')
        answer = chat(shared_model('tinystories-1.4M-f16.gguf'), '-n', '16', *flags, lines=['Look!']).stdout
        run = self.json_of('run', shared_model('tinystories-1.4M-f16.gguf'), '-n', '16', '--stop', '\n', '-p',
                           'Tom and Lily are in the park.\nTom: Look!\nLily:')
        self.assertEqual(answer.decode('utf-8'), run['text'].lstrip(' ') + '\n')

    def test_the_second_answer_knows_the_first_exchange(self):
        model = shared_model('tinystories-1.4M-f16.gguf')
        first, second, _ = chat(model, '-n', '12', lines=['I see a dog.', 'It is big.']).stdout.decode().split('\n')
        raw = self.json_of('run', model, '-n', '12', '--stop', '\n', '-p', 'User: I see a dog.\nAssistant:')['text']
        self.assertEqual(raw.lstrip(' '), first)
        again = self.json_of('run', model, '-n', '12', '--stop', '\n', '-p',
                             f'User: I see a dog.\nAssistant:{raw}\nUser: It is big.\nAssistant:')['text']
        self.assertEqual(again.lstrip(' '), second)

    def test_a_context_that_fills_up_starts_anew(self):
        lines = ['Once upon a time there was a little dog who lived in a big house.'] * 12
        result = chat(shared_model('tinystories-1.4M-q8_0.gguf'), '-n', '40', '--ignore-eos', lines=lines)
        self.assertEqual(result.returncode, DONE)
        self.assertEqual(len(result.stdout.decode('utf-8').split('\n')), 13)
        notes = result.stderr.decode().splitlines()
        self.assertGreater(len(notes), 0)
        for note in notes:
            self.assertEqual(note, 'llmrt: the context of 256 tokens is full; starting anew')

    def test_a_line_that_cannot_fit_is_skipped(self):
        result = chat(shared_model('tinystories-1.4M-q8_0.gguf'), '-n', '4', lines=['far away ' * 500, 'Hello.'])
        self.assertEqual(result.returncode, DONE)
        self.assertIn(b'shorten the line', result.stderr)
        self.assertEqual(result.stdout.count(b'\n'), 1)

    def test_a_line_that_is_no_utf8_is_skipped(self):
        result = llmrt('chat', bundled_model(), '-n', '4', stdin=b'ab\xff\nHello.\n')
        self.assertEqual(result.returncode, DONE)
        self.assertIn(b'UTF-8', result.stderr)
        self.assertEqual(result.stdout.count(b'\n'), 1)

    def test_a_line_that_cannot_fit_keeps_the_conversation(self):
        model = shared_model('tinystories-1.4M-f16.gguf')
        lines = ['I see a dog.', 'far away ' * 500, 'It is big.']
        with_it = chat(model, '-n', '12', lines=lines)
        self.assertEqual(with_it.stdout, chat(model, '-n', '12', lines=lines[::2]).stdout)
        self.assertEqual(with_it.stderr.count(b'\n'), 1)

    def test_a_line_of_megabytes_is_skipped_in_moments(self):
        for size in (1048577, 40000000):
            result = llmrt('chat', program.tiny_model(), '-n', '1', stdin=b'a' * size + b'\r\nHello.\n', timeout=20)
            self.assertEqual(result.returncode, DONE)
            self.assertEqual(result.stderr.decode(), f'llmrt: the line has {size} bytes; a line holds at most 1048576; '
                             'shorten the line\n')
            self.assertEqual(result.stdout.count(b'\n'), 1)

    def test_the_longest_line_is_still_a_line(self):
        result = llmrt('chat', program.tiny_model(), '-n', '1', stdin=b'a' * 1048576 + b'\n/quit\n')
        self.assertEqual((result.returncode, result.stdout), (DONE, b''))
        self.assertIn(b'shorten the line', result.stderr)
        self.assertNotIn(b'bytes', result.stderr)

    def test_a_preamble_that_is_no_utf8_ends_it(self):
        self.refuse(FAILED, 'chat', program.tiny_model(), '--preamble', b'\xff', stdin=b'Hello\nHello\n', says='UTF-8')

    def test_an_answer_that_the_model_ends_itself_does_not_end_the_chat(self):
        # Without --ignore-eos the stories end with EOS now and then; the chat goes on from the transcript.
        result = chat(shared_model('tinystories-1.4M-q8_0.gguf'), lines=['The end.', 'Once upon a time.', 'The end.'])
        self.assertEqual(result.returncode, DONE)
        self.assertEqual(result.stdout.count(b'\n'), 3)

    def test_a_model_that_cannot_load(self):
        self.refuse(FAILED, 'chat', 'no-such-model.gguf', stdin=b'Hello\n', says='no-such-model.gguf')


class TemplateTest(ProgramTest):
    """A chat template in the file is not used yet, which its user is told once."""

    def notes(self, metadata):
        data = gguf_edit.with_metadata(pathlib.Path(program.tiny_model()).read_bytes(), metadata)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            result = chat(file.name, '-n', '1', lines=['Hello', 'Hello'])
            self.assertEqual(result.returncode, DONE)
            return result.stderr.decode()

    def test_a_template_that_is_not_used_is_named(self):
        note = self.notes({'tokenizer.chat_template': '{{ messages }}'})
        self.assertRegex(note, r'^llmrt: chat templates are not built yet.*\n$')

    def test_turns_of_its_own_are_enough(self):
        self.assertEqual(self.notes({'tokenizer.chat_template': '{{ messages }}', 'llmrt.turn.user': 'Player'}), '')

    def test_without_a_template_there_is_nothing_to_say(self):
        self.assertEqual(self.notes({}), '')


class TerminalChatTest(ProgramTest):
    """With a terminal as stdin: the name before each line on stderr, and Ctrl-C at the prompt."""

    def start(self):
        try:
            host, terminal = pty.openpty()
        except OSError as error:
            program.skip(f'no terminal can be had: {error}')
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [program.BINARY, 'chat', bundled_model(), '-n', '4', '--user', 'Tom'], stdin=terminal, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        os.close(terminal)
        for clean_up in (process.stderr.close, process.stdout.close, process.wait, process.kill, lambda: os.close(host)):
            self.addCleanup(clean_up)
        self.assertEqual(process.stderr.read(5), b'Tom: ')
        return host, process

    def test_the_name_stands_before_every_line(self):
        host, process = self.start()
        os.write(host, b'Hello!\n')
        self.assertEqual(process.stderr.read(5), b'Tom: ')
        os.write(host, b'/quit\n')
        self.assertEqual(process.wait(timeout=60), DONE)
        self.assertTrue(process.stdout.read().endswith(b'\n'))

    def test_control_c_at_the_prompt_ends_it(self):
        _, process = self.start()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=60), DONE)
        self.assertEqual(process.stdout.read(), b'')


class BundledChatTest(ProgramTest):

    def test_the_models_own_turns_are_used(self):
        model = program.bundled_model()
        metadata = self.json_of('inspect', model)['metadata']
        user, assistant = metadata['llmrt.turn.user'].rstrip(':'), metadata['llmrt.turn.assistant'].rstrip(':')
        prompt = f"{metadata['llmrt.turn.preamble']}\n{user}: Hello there!\n{assistant}:"
        expected = self.json_of('run', model, '--stop', '\n', '-p', prompt)['text'].strip(' ')
        answer = chat(model, lines=['Hello there!']).stdout.decode('utf-8')
        self.assertEqual(answer.strip(' \n'), expected)
        self.assertGreater(len(expected), 4)


if __name__ == '__main__':
    program.main()
