"""Writes the training text: dialogues of the villagers, from templates and a seed, and prints statistics.

A document is a preamble line, then turns `Player: ...` and `<Name>: ...`. Documents are separated by an empty line.
Any document that holds a held-out player line is dropped, so the held-out check asks what training never saw.
"""

import argparse
import random
import re
from collections import Counter
from pathlib import Path

from conversation import Conversation
from development_lines import DEVELOPMENT_LINES
from make_heldout import LINES
from world import CHARACTERS


def normalized(line: str) -> str:
    """Letters, digits and single spaces only: two lines that differ in case or punctuation count as the same."""
    return " ".join(re.sub(r"[^a-z0-9 ]", "", line.lower()).split())


def exchange_count(rng: random.Random) -> int:
    """Mostly one to six; one document in twelve is long, so that late positions of the context are trained too."""
    return rng.randint(8, 16) if rng.random() < 0.08 else rng.randint(1, 6)


def write_document(rng: random.Random, stats: dict[str, Counter], held_out: set[str]) -> str:
    """One document, or an empty string if it would contain a held-out line."""
    name = rng.choice(list(CHARACTERS))
    preambles = CHARACTERS[name].preambles
    # The first preamble is the one that hosts use, so it gets half of the documents.
    lines = [preambles[0] if rng.random() < 0.5 else rng.choice(preambles[1:])]
    talk = Conversation(name, rng)
    for _ in range(exchange_count(rng)):
        player, answer = talk.exchange()
        if normalized(player) in held_out:
            stats["dropped"]["documents"] += 1
            return ""
        stats["player lines"][player] += 1
        stats["answers"][answer] += 1
        lines += [f"Player: {player}", f"{name}: {answer}"]
    stats["intents"].update(talk.intents)
    return "\n".join(lines) + "\n"


def held_out_lines() -> set[str]:
    """The last player line of every held-out and development entry."""
    return {normalized(line[2]) for line in (*LINES, *DEVELOPMENT_LINES)}


def print_statistics(stats: dict[str, Counter], documents: int, characters: int) -> None:
    exchanges = sum(stats["player lines"].values())
    print(f"documents {documents}, exchanges {exchanges}, characters {characters}")
    print(f"distinct player lines {len(stats['player lines'])}, distinct answers {len(stats['answers'])}")
    print(f"documents dropped for a held-out line {stats['dropped']['documents']}")
    print("intents", dict(stats["intents"].most_common()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=80000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    stats = {key: Counter() for key in ("player lines", "answers", "intents", "dropped")}
    held_out = held_out_lines()
    documents = []
    while len(documents) < args.documents:
        document = write_document(rng, stats, held_out)
        if document:
            documents.append(document)
    text = "\n".join(documents)
    assert not held_out & {normalized(line) for line in stats["player lines"]}
    args.out.write_text(text, encoding="utf-8")
    print_statistics(stats, len(documents), len(text))


if __name__ == "__main__":
    main()
