"""Writes heldout.json: fifty player lines that training never sees, each with the facts that a fitting answer holds.

The lines were written by hand, apart from the templates and before the first training. `all_of` is a list of groups:
the lower-cased answer must hold at least one string of every group. `none_of` strings must not occur.
"""

import argparse
import json
from pathlib import Path

from world import CHARACTERS

NOTE = (
    "Lower-case the answer. Every group in all_of needs at least one of its strings as a substring; no string of none_of "
    "may occur. The answer is what follows the prompt up to the first newline, stripped of spaces; it must end with one of "
    "form.end_with and have from form.min_chars to form.max_chars characters."
)
FORM = {"end_with": [".", "!", "?"], "min_chars": 5, "max_chars": 200}

UNKNOWN = [["not know", "know nothing", "never heard", "no idea", "means nothing", "i had heard of that"]]
GREETING = [["hello", "welcome", "good day", "greetings", "well met", "step closer", "come closer", "look who"]]
FAREWELL = [["goodbye", "farewell", "safe travels", "take care"]]
WELCOME = [["welcome", "no trouble", "think nothing", "glad to help", "happy to help", "it was nothing"]]

# (character, earlier exchanges, player line, intent, all_of)
LINES = (
    ("Tobin", (), "That longsword on the wall there, what are you asking for it?", "price", [["sword"], ["forty"]]),
    ("Mira", (), "If we stayed just one night, what would a bed set me back?", "price", [["room"], ["five"]]),
    ("Elspeth", (), "How many coins would I lose if I bought a healing potion?", "price", [["potion"], ["twelve"]]),
    ("Vesna", (), "Got my eye on that lantern. Name your price!", "price", [["lantern"], ["eleven"]]),
    ("Tobin", (), "A shield like that must cost a fortune, no?", "price", [["shield"], ["thirty"]]),
    ("Mira", (), "What do I owe you if I drink one ale?", "price", [["ale"], ["two"]]),
    ("Vesna", (), "My friend wants boots as well, how much for a pair?", "price", [["boots"], ["thirteen"]]),
    ("Mira", (), "You wouldn't happen to sell swords behind that counter, would you?", "redirect", [["tobin"]]),
    ("Garrick", (), "I'm desperate for a healing potion, got one to spare?", "redirect", [["elspeth"]]),
    ("Aldous", (), "Grandfather, might you part with some rope?", "redirect", [["vesna"]]),
    ("Tobin", (), "All this smoke makes me want a cold beer. Where do they pour it?", "redirect",
     [["mira", "copper kettle"]]),
    ("Elspeth", (), "A nasty snake got me on my way here, do something!", "need", [["antidote"], ["sixteen"]]),
    ("Mira", (), "We haven't had a warm meal in three days.", "need", [["stew", "pie", "bread"], ["coins"]]),
    ("Tobin", (), "The edge on my old axe is chipped, think you can save it?", "need", [["repair"], ["eight"]]),
    ("Elspeth", (), "Every night I lie awake until the sun comes up.", "need", [["sleeping draught"], ["ten"]]),
    ("Vesna", (), "I nearly froze to death in the hills last night.", "need", [["cloak"], ["fourteen"]]),
    ("Vesna", (), "These caves are pitch dark, I won't go in without a light.", "need",
     [["lantern", "torch"], ["eleven", "two"]]),
    ("Mira", (), "Long ride today. Could I stay here until morning?", "need", [["room"], ["five"]]),
    ("Garrick", (), "Sir, my aunt works at the mill. Which road should I take?", "directions", [["mill"], ["west"]]),
    ("Garrick", (), "I have a letter for the priest, where would I deliver it?", "directions", [["chapel"], ["west"]]),
    ("Mira", (), "I'd love to walk over to the ferry, but I don't know the way.", "directions", [["ferry"], ["south"]]),
    ("Tobin", (), "Someone said there's an iron mine around here, where exactly?", "directions", [["mine"], ["north"]]),
    ("Aldous", (), "If a man wanted to reach the ruined tower, where would he turn?", "directions", [["tower"], ["east"]]),
    ("Elspeth", (), "My mule needs hay, so which way to the stables?", "directions", [["stables"], ["east"]]),
    ("Vesna", (), "What's the quickest way over to the old well?", "directions", [["well"], ["west"]]),
    ("Garrick", (), "Could you walk me through how to reach the elder?", "directions", [["elder's house"], ["north"]]),
    ("Elspeth", (("Can you sell me a dagger?", "I do not sell that. Ask Tobin, the smith, at the smithy."),),
     "Fine. In which direction do I walk to get to him?", "directions", [["smithy"], ["east"]]),
    ("Garrick", (), "My kids like to play in the forest, should that worry me?", "danger", [["forest"], ["wolves"]]),
    ("Aldous", (), "Would you cross the stone bridge after dark if you were me?", "danger", [["bridge"], ["bandits"]]),
    ("Tobin", (), "Is it true that bad things happen to people inside the mine?", "danger",
     [["mine"], ["rocks", "knocking"]]),
    ("Mira", (), "That Vesna woman, where does she spend her days?", "person", [["vesna"], ["market"]]),
    ("Mira", (), "An innkeeper hears everything. What's the gossip tonight?", "rumour",
     [["lights in the ruined tower", "miller's daughter", "smuggles wine", "bell of the chapel"]]),
    ("Aldous", (), "Heard anything odd from the villagers this week?", "rumour",
     [["white deer", "lights in the ruined tower", "treasure", "whispers at full moon", "bell of the chapel"]]),
    ("Tobin", (), "My purse is empty and my arms are strong. Anything I could do for you?", "quest", [["ore"], ["mine"]]),
    ("Elspeth", (), "You look like you could use a helper. What needs doing?", "quest", [["moonflowers"], ["well"]]),
    ("Vesna", (("Do you have any work?", "I need someone to find the crate that I lost at the stone bridge. Will you help?"),),
     "And if I bring it back, what do I get out of it?", "reward", [["lantern"]]),
    ("Garrick", (("Can I help you?", "I need someone to drive the wolves away from the mill. Will you do it?"),),
     "You have my word, I will take care of those wolves!", "accept", [["wolves"], ["mill"], ["west", "stream"]]),
    ("Mira", (), "Not a single rat is left down there, I made sure of it.", "done", [["ten coins"], ["free room"]]),
    ("Elspeth", (), "And whom do I have the honour of meeting?", "ask_name", [["elspeth"]]),
    ("Vesna", (), "Top of the morning to you, merchant!", "greeting", GREETING),
    ("Aldous", (), "I really ought to head home before nightfall. Goodbye then!", "farewell", FAREWELL),
    ("Tobin", (), "You saved my skin, I can't thank you enough.", "thanks", WELCOME),
    ("Garrick", (), "How many winters have you seen, guard?", "age", [["thirty-five"]]),
    ("Mira", (), "I forgot, which village did I just walk into?", "village", [["fernhollow"]]),
    ("Vesna", (("How much is the compass?", "A compass is seventeen coins."),),
     "That's robbery! Surely you can do it for less?", "haggle", [["price"], ["stays", "fair", "does not change", "no"]]),
    ("Vesna", (), "I took this silver cup off a bandit. Care to make an offer?", "sell", [["cup"], ["coins"]]),
    ("Tobin", (), "Would you lend me your smartphone for a minute?", "unknown", UNKNOWN),
    ("Aldous", (), "Which team won the championship last year?", "unknown", UNKNOWN),
    ("Mira", (("What does the stew cost?", "A bowl of stew is four coins."),),
     "Great, I'll have one of those then.", "buy", [["stew"], ["four"]]),
    ("Elspeth", (("I am Rowan.", "Welcome, Rowan. I am Elspeth."),),
     "Quick test: can you still tell me my name?", "recall_name", [["rowan"]]),
)  # fmt: skip


def prompt_text(name: str, earlier: tuple[tuple[str, str], ...], line: str) -> str:
    """The exact text that a host gives to the model: preamble, turns, and the open turn of the character."""
    turns = [f"Player: {player}\n{name}: {answer}\n" for player, answer in earlier]
    return f"{CHARACTERS[name].preambles[0]}\n{''.join(turns)}Player: {line}\n{name}:"


def entry(name, earlier, line, intent, all_of) -> dict:
    return {
        "character": name, "preamble": CHARACTERS[name].preambles[0], "prompt": prompt_text(name, earlier, line),
        "player_line": line, "intent": intent, "all_of": all_of, "none_of": ["player:", "<unk>"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("../../samples/models/heldout.json"))
    args = parser.parse_args()
    assert len(LINES) == 50
    document = {"note": NOTE, "stop": "\n", "max_tokens": 64, "form": FORM, "entries": [entry(*line) for line in LINES]}
    args.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
