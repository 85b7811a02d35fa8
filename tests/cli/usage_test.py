"""Wrong usage: exit status 2 and one line on stderr."""

import program
from program import DONE, FAILED, WRONG_USAGE, ProgramTest

COMMANDS = ('run', 'chat', 'tokenize', 'inspect', 'plan', 'eval', 'bench', 'load')
PLANNED = ('quantize', 'convert')


class UsageTest(ProgramTest):

    def test_without_a_command(self):
        self.refuse(WRONG_USAGE, says='--help')

    def test_unknown_commands_are_named(self):
        for name in ('RUN', 'benchmark', '', '--model'):
            self.refuse(WRONG_USAGE, name, 'model.gguf', says=f"unknown command '{name}'")

    def test_planned_commands_say_that_they_are(self):
        for name in PLANNED:
            for arguments in (['model.gguf'], ['--help'], []):
                self.refuse(FAILED, name, *arguments, says=f'{name} is not built yet')

    def test_help_lists_the_commands(self):
        text = self.succeed('--help').decode()
        for name in (*COMMANDS, 'synth'):
            self.assertIn(f'\n  {name} ', text)

    def test_every_command_has_help(self):
        for name in (*COMMANDS, 'synth'):
            text = self.succeed(name, '--help').decode()
            self.assertTrue(text.startswith(f'usage: llmrt {name} '), text)
            self.assertEqual(self.succeed(name, '-h').decode(), text)

    def test_version_names_version_and_build(self):
        self.assertRegex(self.succeed('--version').decode(), r'^llmrt \d+\.\d+\.\d+ \([0-9a-f]{12}\)\n$')

    def test_the_model_must_be_given(self):
        for arguments in (['run', '-p', 'x'], ['chat'], ['tokenize', '--text', 'x'], ['inspect'], ['plan'], ['bench'],
                          ['load', '--rate', '1', '--requests', '1'],
                          ['eval', '--text', 'x']):
            self.refuse(WRONG_USAGE, *arguments, says='MODEL is missing')

    def test_unknown_flags_are_named(self):
        for name in COMMANDS:
            self.refuse(WRONG_USAGE, name, 'model.gguf', '--no-such-flag', says='unknown flag --no-such-flag')

    def test_too_many_arguments(self):
        for name in ('run', 'chat', 'tokenize', 'inspect', 'plan'):
            self.refuse(WRONG_USAGE, name, 'a.gguf', 'b.gguf', says="'b.gguf' is one argument too many")

    def test_required_flags(self):
        self.refuse(WRONG_USAGE, 'run', 'model.gguf', says='-p is missing')
        self.refuse(WRONG_USAGE, 'eval', 'model.gguf', says='--text is missing')
        self.refuse(WRONG_USAGE, 'load', 'model.gguf', '--requests', '1', says='--rate is missing')
        self.refuse(WRONG_USAGE, 'load', 'model.gguf', '--rate', '1', says='--requests is missing')
        self.refuse(WRONG_USAGE, 'tokenize', 'model.gguf', says='one of --text and --file')
        self.refuse(WRONG_USAGE, 'tokenize', 'model.gguf', '--text', 'x', '--file', 'y', says='one of')

    def test_values_that_are_missing_or_surplus(self):
        self.refuse(WRONG_USAGE, 'run', 'model.gguf', '-p', says='-p wants a value')
        self.refuse(WRONG_USAGE, 'run', 'model.gguf', '-p', 'x', '--json=1', says='--json takes no value')
        self.refuse(WRONG_USAGE, 'run', 'model.gguf', '-p', 'x', '-p', 'y', says='-p is given twice')

    def test_values_that_are_no_numbers(self):
        for flag, value in (('-n', 'many'), ('-n', '1.5'), ('-n', ''), ('--temp', 'hot'), ('--temp', 'nan'),
                            ('--temp', '1e999'), ('--top-k', '99999999999999999999'), ('--seed', '0x10'),
                            ('--threads', '2 '), ('--memory', '1G'), ('--draft-max', 'x')):
            self.refuse(WRONG_USAGE, 'run', 'model.gguf', '-p', 'x', flag, value, says=flag)

    def test_values_out_of_bounds(self):
        for flag, value in (('-n', '-2'), ('--temp', '-1'), ('--top-k', '-1'), ('--top-p', '1.5'),
                            ('--min-p', '-0.1'), ('--threads', '-1'), ('--memory', '-1')):
            self.refuse(WRONG_USAGE, 'run', 'model.gguf', '-p', 'x', flag, value, says=f'{flag}: ')
        self.refuse(WRONG_USAGE, 'plan', 'model.gguf', '--sessions', '0', says='--sessions: ')
        self.refuse(WRONG_USAGE, 'plan', 'model.gguf', '--context', '-1', says='--context: ')

    def test_words_that_no_build_knows(self):
        for flag in ('--tier', '--kv-type', '--numerics', '--device'):
            self.refuse(WRONG_USAGE, 'plan', 'model.gguf', flag, 'quantum', says=f'{flag} is ')

    def test_words_that_this_build_lacks_are_failures(self):
        self.refuse(FAILED, 'run', 'model.gguf', '-p', 'x', '--kv-type', 'int4', says='--kv-type')
        # What devices there are shows when the engine looks for one.
        self.refuse(FAILED, 'run', program.tiny_model(), '-p', 'x', '--device', 'cuda:999', says="'cuda:999'")
        self.refuse(FAILED, 'plan', program.tiny_model(), '--device', 'cuda', '--plugin-folder', '/nowhere',
                    says='/nowhere/libllmrt_cuda.so')
        self.refuse(FAILED, 'plan', program.tiny_model(), '--device', 'cuda:12345', says='--device: ')

    def test_what_is_not_built_yet_says_so(self):
        for drafter in ('draft.gguf', 'Lookup', ''):
            self.refuse(FAILED, 'run', 'model.gguf', '-p', 'x', '--draft', drafter,
                        says='draft models are not built yet; --draft takes lookup and none')
        self.refuse(FAILED, 'eval', 'model.gguf', '--text', 'x', '--reference', 'y', says='not built yet')

    def test_flags_of_run_that_go_together(self):
        self.refuse(WRONG_USAGE, 'run', 'model.gguf', '-p', 'x', '--logprobs', says='--json')
        self.refuse(WRONG_USAGE, 'run', 'model.gguf', '-p', 'x', '--stop', '', says='--stop')
        self.refuse(WRONG_USAGE, 'run', 'model.gguf', '-p', 'x', '--draft-max', '4', says='--draft')
        for most in ('99', '17', '-2'):
            self.refuse(WRONG_USAGE, 'run', 'model.gguf', '-p', 'x', '--draft', 'lookup', '--draft-max', most,
                        says='--draft-max: ')

    def test_help_of_bench_names_speculation(self):
        text = self.succeed('bench', '--help').decode()
        for flag in ('--speculate', '--acceptance', '--chart'):
            self.assertRegex(text, rf'\n  {flag} ')
        self.assertNotIn('not built yet', text)

    def test_help_of_run_names_special_tokens(self):
        self.assertRegex(self.succeed('run', '--help').decode(), r'\n  --special +special tokens in the prompt')

    def test_help_wins_over_what_follows(self):
        self.assertEqual(program.llmrt('run', '--help', '--no-such-flag').returncode, DONE)

    def test_two_dashes_end_the_flags(self):
        self.refuse(FAILED, 'inspect', '--', '--no-such-file', says='no-such-file')


if __name__ == '__main__':
    program.main()
