"""bench/interleave.py around commands that only write down that they ran."""

import json
import unittest

from script_case import ROOT, ScriptTest

INTERLEAVE = str(ROOT / 'bench/interleave.py')


class InterleaveTest(ScriptTest):

    def setUp(self):
        super().setUp()
        self.out = self.folder / 'runs.jsonl'
        for name in ('first', 'second'):
            self.stand_in(name, f'echo {name} "$@" | tee -a "{self.folder}/order"')

    def interleave(self, *arguments):
        return self.run_script(INTERLEAVE, '--out', str(self.out), *arguments)

    def runs(self):
        return [json.loads(line) for line in self.out.read_text(encoding='utf-8').splitlines()]

    def test_commands_take_turns_and_the_first_round_does_not_count(self):
        result = self.interleave('--rounds', '2', '--names', 'peer,ours', '--', 'first', '-m', 'x', '--', 'second')
        self.assertEqual(result.returncode, 0, result.stderr)
        order = (self.folder / 'order').read_text(encoding='utf-8').splitlines()
        self.assertEqual(order, ['first -m x', 'second'] * 3)
        self.assertEqual([(run['name'], run['round'], run['output']) for run in self.runs()],
                         [('peer', 1, 'first -m x\n'), ('ours', 1, 'second\n'),
                          ('peer', 2, 'first -m x\n'), ('ours', 2, 'second\n')])

    def test_a_run_says_what_it_took(self):
        self.interleave('--rounds', '1', '--warm-up', '0', '--', 'first')
        run, = self.runs()
        self.assertEqual((run['name'], run['command'], run['status']), ('a', ['first'], 0))
        self.assertGreater(run['seconds'], 0)
        self.assertGreater(run['peak_rss_bytes'], 100000)
        self.assertGreaterEqual(run['others'], 0)

    def test_later_rounds_are_added_to_the_file(self):
        for _ in range(2):
            self.interleave('--rounds', '1', '--warm-up', '0', '--', 'first')
        self.assertEqual(len(self.runs()), 2)

    def test_a_neighbour_spins_beside_the_runs_that_are_named_for_it(self):
        self.stand_in('count', 'cat /proc/$PPID/task/*/children | wc -w')
        self.interleave('--rounds', '1', '--warm-up', '0', '--names', 'ours,ours/neighbour', '--', 'count', '--', 'count')
        # Children of the script while the command runs: the command itself, and the neighbour.
        self.assertEqual([int(run['output']) for run in self.runs()], [1, 2])

    def test_a_command_that_fails_ends_it(self):
        self.stand_in('broken', 'echo no such model >&2; exit 3')
        result = self.interleave('--', 'broken')
        self.assertEqual(result.returncode, 1)
        self.assertIn('no such model', result.stderr)
        self.assertEqual(self.runs(), [])

    def test_wrong_usage_is_named(self):
        for arguments in (('--names', 'a,b', '--', 'first'), (), ('--', 'first', '--')):
            result = self.interleave(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertIn('error:', result.stderr)


if __name__ == '__main__':
    unittest.main(verbosity=2)
