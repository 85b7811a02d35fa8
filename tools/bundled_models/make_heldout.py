"""Writes heldout.json: fifty player lines that training never sees, each with the facts that a fitting answer holds.

The lines were written by hand before any model was asked them and did not change afterwards; that the templates did is
told in samples/models/README.md. `all_of` is a list of groups: the lower-cased answer must hold at least one string of
every group. `none_of` strings must not occur.
"""

import argparse
import json
from pathlib import Path

from development_lines import DEVELOPMENT_LINES, FAREWELL, GREETING, UNKNOWN, WELCOME
from world import CHARACTERS

NOTE = (
    "Lower-case the answer. Every group in all_of needs at least one of its strings as a substring; no string of none_of "
    "may occur. The answer is what follows the prompt up to the first newline, stripped of spaces; it must end with one of "
    "form.end_with and have from form.min_chars to form.max_chars characters."
)
FORM = {"end_with": [".", "!", "?"], "min_chars": 5, "max_chars": 200}

WORK_ELSPETH = (("Can I help you?", "Yes, child. I need someone to pick moonflowers by the old well, and I will give you a healing potion."),)
WORK_TOBIN = (("Any jobs?", "Aye. I need someone to bring me iron ore from the mine. You get a new dagger."),)
WORK_VESNA = (("Can I work for you?", "I need someone to find the crate that I lost at the stone bridge. Will you help?"),)

# (character, earlier exchanges, player line, intent, all_of)
LINES = (
    ("Tobin", (), "I could use a good axe for firewood. What's it going to cost me?", "price", [["axe"], ["twenty-five"]]),
    ("Tobin", (), "And a helmet, what do you get for those these days?", "price", [["helmet"], ["twenty"]]),
    ("Mira", (), "Your apple pie looks delicious, how much would a slice be?", "price", [["pie"], ["three"]]),
    ("Elspeth", (), "I'd need a sleeping draught, can you name me the price?", "price", [["sleeping draught"], ["ten"]]),
    ("Elspeth", (), "Is the antidote very dear, or can a poor man pay it?", "price", [["antidote"], ["sixteen"]]),
    ("Vesna", (), "How much for twenty feet of rope?", "price", [["rope"], ["four"]]),
    ("Vesna", (), "That compass is pretty. What would you want for it?", "price", [["compass"], ["seventeen"]]),
    ("Vesna", (), "Have you got any chainmail that fits me?", "redirect", [["tobin"]]),
    ("Elspeth", (), "We ran out of torches, do you keep any?", "redirect", [["vesna"]]),
    ("Garrick", (), "After this long watch you surely know where a man gets a pint.", "redirect", [["mira", "copper kettle"]]),
    ("Aldous", (), "Old man, where would you go for a jar of salve?", "redirect", [["elspeth"]]),
    ("Mira", (), "I want to purchase a decent shield before I leave town.", "redirect", [["tobin"]]),
    ("Elspeth", (), "A bear clawed my shoulder and it won't stop bleeding.", "need", [["healing potion"], ["twelve"]]),
    ("Elspeth", (), "My little daughter has had a fever since Monday.", "need", [["fever tonic"], ["nine"]]),
    ("Tobin", (), "My shield cracked right down the middle, can anything be done?", "need", [["repair"], ["eight"]]),
    ("Tobin", (), "My mare threw a shoe on the way to town.", "need", [["horseshoes"], ["six"]]),
    ("Mira", (), "Do you have an empty bed for a tired man?", "need", [["room"], ["five"]]),
    ("Mira", (), "I'm so hungry that I could eat my boots.", "need", [["stew", "pie", "bread"], ["coins"]]),
    ("Vesna", (), "The soles of my shoes are gone, I'm walking on my socks.", "need", [["boots"], ["thirteen"]]),
    ("Vesna", (), "I got lost twice this week, I don't know these roads at all.", "need", [["map"], ["seven"]]),
    ("Garrick", (), "Hey guard, is the blacksmith's forge somewhere near?", "directions", [["smithy"], ["east"]]),
    ("Garrick", (), "Which way do I walk if I'm looking for a boat?", "directions", [["ferry"], ["south"]]),
    ("Mira", (), "I'm supposed to meet someone at the chapel, where can I find it?", "directions", [["chapel"], ["west"]]),
    ("Tobin", (), "My wife wants to see the herbalist, how do we get there?", "directions", [["herb cottage"], ["north"]]),
    ("Vesna", (), "Point me at the graveyard, would you?", "directions", [["graveyard"], ["west"]]),
    ("Elspeth", (), "I must cross the river. Where is there a bridge?", "directions", [["bridge"], ["south"]]),
    ("Tobin", (), "Do you know the way into the forest?", "directions", [["forest"], ["east"]]),
    ("Mira", (("Who can mend my sword?", "For that you need Tobin, the smith. Go to the smithy."),),
     "And how do I get over there?", "directions", [["smithy"], ["east"]]),
    ("Garrick", (), "Is anything nasty hiding in the old ruined tower?", "danger", [["tower"], ["ghost"]]),
    ("Aldous", (), "They want me to go down into the mine. Is that wise?", "danger", [["mine"], ["falling rocks"]]),
    ("Vesna", (), "Should I be scared of the graveyard at night?", "danger", [["graveyard"], ["restless bones"]]),
    ("Tobin", (), "Do you know where Elspeth might be right now?", "person", [["elspeth"], ["herb cottage"]]),
    ("Garrick", (), "Any strange reports from the village lately?", "rumour",
     [["lights in the ruined tower", "knocking", "bandits are hiding", "buying every sword"]]),
    ("Vesna", (), "You talk to everyone, so what's the latest news?", "rumour",
     [["miller's daughter", "bandits are hiding", "smuggles wine", "treasure", "buying every sword"]]),
    ("Mira", (), "Can I earn my supper by helping you with some chore?", "quest", [["rats"], ["cellar"]]),
    ("Aldous", (), "I'm a hero without a task, what does the village need?", "quest", [["bell"], ["tower"]]),
    ("Elspeth", WORK_ELSPETH, "Where exactly should I look for these flowers?", "quest_where", [["moonflowers"], ["well"]]),
    ("Tobin", WORK_TOBIN, "Okay, I will go and do it.", "accept", [["ore"], ["mine"], ["north", "grey hill"]]),
    ("Garrick", (), "I hunted the wolves down, every last one of them.", "done", [["thirty coins"]]),
    ("Vesna", WORK_VESNA, "No, I'm afraid I'm too busy for that.", "decline",
     [["pity", "shame", "too bad", "as you wish", "very well"]]),
    ("Tobin", (), "May I ask what people call you?", "ask_name", [["tobin"]]),
    ("Mira", (), "Hi there, good to see a friendly face!", "greeting", GREETING),
    ("Garrick", (), "Thanks a million for all the help!", "thanks", WELCOME),
    ("Elspeth", (), "It's time for me to get going, see you around.", "farewell", FAREWELL),
    ("Aldous", (), "So what is this little village called?", "village", [["fernhollow"]]),
    ("Vesna", (), "Do you have a charger for my laptop?", "unknown", UNKNOWN),
    ("Mira", (), "What do you think of the new tax on diesel?", "unknown", UNKNOWN),
    ("Mira", (("How much is a bath?", "A hot bath costs six coins."),),
     "Hmm, that's more than I wanted to spend. Any chance of a lower price?", "haggle",
     [["price"], ["stays", "fair", "does not change", "no"]]),
    ("Vesna", (), "I carry an amber necklace I don't wear anymore. Interested?", "sell", [["necklace"], ["coins"]]),
    ("Garrick", (("Hello, I'm Petra.", "Well met, Petra. I am Garrick."),), "What did I say my name was?", "recall_name", [["petra"]]),
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
    parser.add_argument("--development", action="store_true", help="write the development lines instead")
    args = parser.parse_args()
    lines = DEVELOPMENT_LINES if args.development else LINES
    assert len(lines) == 50
    document = {"note": NOTE, "stop": "\n", "max_tokens": 64, "form": FORM, "entries": [entry(*line) for line in lines]}
    args.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
