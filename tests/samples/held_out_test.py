"""The bundled model on fifty player lines that its training never saw: at least nine of ten answers must fit.

samples/models/heldout.json says for each line which facts a fitting answer names, and which form it has; the check is
that of tools/bundled_models, where the scripts that made the model stand.
"""

import json

import program
from check_dialogue import problem
from program import ProgramTest

SHARE_MIN = 0.9


class HeldOutTest(ProgramTest):

    def test_nine_of_ten_answers_fit(self):
        model = program.bundled_model()
        path = program.require(program.SAMPLES / 'models' / 'heldout.json')
        with open(path, encoding='utf-8') as file:
            held_out = json.load(file)
        misses = []
        for entry in held_out['entries']:
            run = self.json_of('run', model, '-p', entry['prompt'], '-n', str(held_out['max_tokens']), '--stop',
                               held_out['stop'])
            answer = run['text'].strip(' ')
            wrong = problem(answer, entry, held_out['form'])
            if wrong:
                misses.append((entry['player_line'], answer, wrong))
        count = len(held_out['entries'])
        print(f'{count - len(misses)} of {count} answers fit')
        self.assertEqual(count, 50)
        self.assertGreaterEqual(count - len(misses), SHARE_MIN * count, misses)


if __name__ == '__main__':
    program.main()
