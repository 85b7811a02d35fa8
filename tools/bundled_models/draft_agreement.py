"""How often the draft's greedy choice equals the target's: teacher-forced along the target's own held-out answers."""

import argparse
import json
from pathlib import Path

import torch

from check_dialogue import DEFAULT_ENTRIES
from gguf_model import greedy_tokens, load


@torch.no_grad()
def agreement(target, draft, vocabulary, prompts: list[str]) -> tuple[int, int]:
    """(equal choices, all choices) over the target's greedy answers, the newline that ends each included."""
    equal = total = 0
    newline = vocabulary.encode("\n")
    for prompt in prompts:
        head = [vocabulary.bos] + vocabulary.encode(prompt)
        answer = greedy_tokens(target, vocabulary, prompt) + newline
        logits = draft(torch.tensor([head + answer[:-1]]))[0, len(head) - 1 :]
        equal += int((logits.argmax(-1) == torch.tensor(answer)).sum())
        total += len(answer)
    return equal, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--draft", type=Path, required=True)
    parser.add_argument("--entries", type=Path, default=DEFAULT_ENTRIES)
    args = parser.parse_args()
    target, vocabulary = load(args.target)
    draft, draft_vocabulary = load(args.draft)
    assert vocabulary.pieces == draft_vocabulary.pieces
    prompts = [entry["prompt"] for entry in json.loads(args.entries.read_text(encoding="utf-8"))["entries"]]
    equal, total = agreement(target, draft, vocabulary, prompts)
    print(f"{equal} of {total} greedy choices agree ({100 * equal / total:.1f} %)")


if __name__ == "__main__":
    main()
