"""The bundled model on fifty player lines that its training never saw: at least nine of ten answers must fit.

samples/models/heldout.json says for each line which facts a fitting answer names, and which form it has.
"""

import json

import program
from program import ProgramTest

SHARE_MIN = 0.9


def fits(answer, entry, form):
    lower = answer.lower()
    return (all(any(text in lower for text in group) for group in entry['all_of'])
            and not any(text in lower for text in entry['none_of'])
            and form['min_chars'] <= len(answer) <= form['max_chars'] and answer.endswith(tuple(form['end_with'])))


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
            if not fits(answer, entry, held_out['form']):
                misses.append((entry['player_line'], answer))
        count = len(held_out['entries'])
        print(f'{count - len(misses)} of {count} answers fit')
        self.assertEqual(count, 50)
        self.assertGreaterEqual(count - len(misses), SHARE_MIN * count, misses)


if __name__ == '__main__':
    program.main()
