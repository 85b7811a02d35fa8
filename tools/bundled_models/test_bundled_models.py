"""Tests of the scripts; `python -m unittest` in this folder. Only the tests of the model files need torch."""

import json
import random
import unittest
from collections import Counter
from pathlib import Path

import check_dialogue
import grammar
import noise
from conversation import COMMON, OWN, PLAYER, TOPICS, Conversation
from generate_dialogue import held_out_lines, normalized, write_document
from make_heldout import LINES, entry
from world import CHARACTERS, ITEMS, PLACES, QUESTS, RUMOURS

MODELS = Path(__file__).parent / "../../samples/models"


class GrammarTest(unittest.TestCase):
    def test_nested_choices_and_slots_resolve(self):
        texts = {grammar.expand("(a|b (c|d)) $x", {"x": "y"}, random.Random(seed)) for seed in range(50)}
        self.assertEqual(texts, {"a y", "b c y", "b d y"})

    def test_tidy_makes_sentences(self):
        self.assertEqual(grammar.tidy("hello  there .how are you ? i am fine"), "Hello there.how are you? I am fine")

    def test_every_template_has_balanced_parentheses(self):
        for templates in (PLAYER, COMMON, *OWN.values()):
            for lines in templates.values():
                for line in lines:
                    self.assertEqual(line.count("("), line.count(")"), line)


class WorldTest(unittest.TestCase):
    def test_every_name_that_a_table_uses_exists(self):
        self.assertTrue(all(item.seller in CHARACTERS for item in ITEMS.values()))
        self.assertTrue(all(who.place in PLACES for who in CHARACTERS.values()))
        self.assertEqual(set(QUESTS), set(CHARACTERS))
        for rumour in RUMOURS:
            self.assertIn(rumour.place, PLACES)
            self.assertLessEqual(set(rumour.knowers), set(CHARACTERS))

    def test_every_character_knows_a_rumour(self):
        knowers = {name for rumour in RUMOURS for name in rumour.knowers}
        self.assertEqual(knowers, set(CHARACTERS))


class ConversationTest(unittest.TestCase):
    def answers_to(self, intent: str, name: str, count: int = 200):
        for seed in range(count):
            talk = Conversation(name, random.Random(seed))
            yield talk, getattr(talk, f"_do_{intent}", lambda: talk._plain(intent))()

    def test_every_intent_makes_a_whole_exchange_for_every_character(self):
        for name in CHARACTERS:
            for intent in TOPICS:
                for _, (line, answer) in self.answers_to(intent, name, 10):
                    self.assertTrue(line and "$" not in line and "(" not in line, line)
                    self.assertTrue(answer.endswith((".", "!", "?")), answer)
                    self.assertNotRegex(answer, r"[$()|]|  ")

    def test_a_price_answer_names_the_price_or_the_seller(self):
        prices = {item.price for item in ITEMS.values()}
        for _, (_, answer) in self.answers_to("price", "Tobin"):
            named = [name for name in CHARACTERS if name in answer]
            self.assertTrue(named or any(price in answer.lower() for price in prices), answer)

    def test_directions_name_place_and_direction(self):
        for talk, (_, answer) in self.answers_to("directions", "Garrick"):
            place = PLACES[talk.place]
            self.assertIn(place.name.lower(), answer.lower())
            if talk.place != "gate":
                self.assertIn(place.direction, answer.lower())

    def test_where_that_follows_a_redirect_to_the_seller(self):
        for talk, _ in self.answers_to("price", "Aldous", 20):
            _, answer = talk._do_where_that()
            self.assertIn(PLACES[talk.place].direction, answer.lower())


class NoiseTest(unittest.TestCase):
    def test_a_typo_changes_one_spot_of_one_long_word(self):
        for seed in range(50):
            changed = noise._typo("where is the smithy", random.Random(seed))
            self.assertLessEqual(abs(len(changed) - len("where is the smithy")), 1)
            self.assertIn("is the", changed)


class HeldOutTest(unittest.TestCase):
    def setUp(self):
        self.document = json.loads((MODELS / "heldout.json").read_text(encoding="utf-8"))

    def test_the_file_is_what_the_script_writes(self):
        self.assertEqual(self.document["entries"], json.loads(json.dumps([entry(*line) for line in LINES])))

    def test_prompts_end_in_the_open_turn_and_hold_the_line(self):
        for item in self.document["entries"]:
            self.assertTrue(item["prompt"].endswith(f"Player: {item['player_line']}\n{item['character']}:"))
            self.assertTrue(all(text == text.lower() for group in item["all_of"] for text in group))

    def test_generated_documents_never_hold_a_held_out_line(self):
        held_out, rng = held_out_lines(), random.Random(3)
        self.assertEqual(len(held_out), 100)
        counters = {key: Counter() for key in ("player lines", "answers", "intents", "dropped")}
        for _ in range(300):
            write_document(rng, counters, held_out)
        self.assertFalse(held_out & {normalized(line) for line in counters["player lines"]})


class CheckTest(unittest.TestCase):
    """The check has to be able to fail: other characters' and other intents' answers are wrong answers."""

    def setUp(self):
        self.document = json.loads((MODELS / "heldout.json").read_text(encoding="utf-8"))
        self.answers = json.loads((MODELS / "answers-q8_0.json").read_text(encoding="utf-8"))

    def pass_rate(self, answers: list[str]) -> float:
        entries, form = self.document["entries"], self.document["form"]
        return sum(not check_dialogue.problem(a, e, form) for a, e in zip(answers, entries)) / len(entries)

    def test_the_recorded_answers_pass(self):
        self.assertGreaterEqual(self.pass_rate(self.answers), 0.9)

    def test_shuffled_answers_mostly_fail(self):
        rates = [self.pass_rate(self.answers[shift:] + self.answers[:shift]) for shift in range(1, 50)]
        self.assertLess(sum(rates) / len(rates), 0.15)
        self.assertLess(max(rates), 0.30)

    def test_an_off_topic_answer_fails_everywhere(self):
        self.assertEqual(self.pass_rate(["The moon is made of cheese."] * 50), 0.0)

    def test_form_is_checked(self):
        form = self.document["form"]
        self.assertTrue(check_dialogue.form_problem("A sword costs forty coins", form))
        self.assertTrue(check_dialogue.form_problem("No.", form))
        self.assertFalse(check_dialogue.form_problem("A sword costs forty coins.", form))


class ModelFileTest(unittest.TestCase):
    def test_the_stored_vocabulary_tokenizes_and_keeps_newlines_as_bytes(self):
        from gguf_model import load

        _, vocabulary = load(MODELS / "village-draft-q8_0.gguf")
        for item in self.entries():
            tokens = vocabulary.encode(item["prompt"] + " \u00e9\n")
            self.assertEqual(vocabulary.decode(tokens), item["prompt"] + " \u00e9\n")
            self.assertEqual(vocabulary.pieces[tokens[-1]], "<0x0A>")

    def test_sizes_stay_under_their_limits(self):
        limits = {"village-target-q8_0": 8.0e6, "village-target-f16": 8.9e6, "village-draft-q8_0": 1.0e6}
        for name, limit in limits.items():
            self.assertLessEqual((MODELS / f"{name}.gguf").stat().st_size, limit)

    def test_target_and_draft_share_one_vocabulary(self):
        from gguf_model import load

        vocabularies = [load(MODELS / f"village-{name}.gguf")[1] for name in ("target-q8_0", "target-f16", "draft-q8_0")]
        self.assertTrue(all(v.pieces == vocabularies[0].pieces for v in vocabularies))
        self.assertTrue(all(v.scores == vocabularies[0].scores for v in vocabularies))

    @staticmethod
    def entries() -> list[dict]:
        return json.loads((MODELS / "heldout.json").read_text(encoding="utf-8"))["entries"]


if __name__ == "__main__":
    unittest.main()
