"""Checks answers to the held-out player lines: facts and form. Exit status 1 if fewer than --required pass.

Answers come from a GGUF file (greedy, in PyTorch) or, with --answers, from a JSON list of strings made elsewhere.
"""

import argparse
import json
import sys
from pathlib import Path

DEFAULT_ENTRIES = Path(__file__).parent / "../../samples/models/heldout.json"


def form_problem(answer: str, form: dict) -> str:
    """What is wrong with the form, or an empty string."""
    if not form["min_chars"] <= len(answer) <= form["max_chars"]:
        return f"{len(answer)} characters"
    if not answer.endswith(tuple(form["end_with"])):
        return "no end mark"
    return ""


def content_problem(answer: str, entry: dict) -> str:
    """Which fact is missing or which string is too much, or an empty string."""
    lowered = answer.lower()
    for group in entry["all_of"]:
        if not any(text in lowered for text in group):
            return f"misses {' | '.join(group)}"
    for text in entry["none_of"]:
        if text in lowered:
            return f"holds {text}"
    return ""


def problem(answer: str, entry: dict, form: dict) -> str:
    answer = answer.split("\n")[0].strip()
    return form_problem(answer, form) or content_problem(answer, entry)


def model_answers(path: Path, document: dict) -> list[str]:
    from gguf_model import greedy_tokens, load  # needs torch; checking foreign answers does not

    model, vocabulary = load(path)
    limit = document["max_tokens"]
    return [
        vocabulary.decode(greedy_tokens(model, vocabulary, entry["prompt"], limit)).strip()
        for entry in document["entries"]
    ]


def report(answers: list[str], document: dict) -> int:
    """Prints one line per entry; returns how many passed."""
    passed = 0
    for entry, answer in zip(document["entries"], answers, strict=True):
        wrong = problem(answer, entry, document["form"])
        passed += not wrong
        print(f"{'FAIL' if wrong else 'ok  '} {entry['character']:8} {entry['intent']:11} {entry['player_line']}")
        print(f"       -> {answer}" + (f"   [{wrong}]" if wrong else ""))
    print(f"{passed} of {len(answers)} pass")
    return passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", type=Path, help="GGUF file")
    source.add_argument("--answers", type=Path, help="JSON list of answers, in the order of the entries")
    parser.add_argument("--entries", type=Path, default=DEFAULT_ENTRIES)
    parser.add_argument("--save", type=Path, help="write the answers as a JSON list")
    parser.add_argument("--required", type=float, default=0.9)
    args = parser.parse_args()
    document = json.loads(args.entries.read_text(encoding="utf-8"))
    answers = json.loads(args.answers.read_text()) if args.answers else model_answers(args.model, document)
    if args.save:
        args.save.write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
    sys.exit(report(answers, document) < args.required * len(answers))


if __name__ == "__main__":
    main()
