"""Documents as token ids, and batches of documents of similar length.

Every document is a row of its own and starts at position 0, as it does when a host talks to the model.
"""

import random
from pathlib import Path

import numpy as np
import sentencepiece
import torch

BOS, EOS = 1, 2
# Player lines are mostly random choices of the generator; a lower weight leaves more of the gradient to answers.
PLAYER_WEIGHT = 0.25


def encode_document(text: str, tokenizer: sentencepiece.SentencePieceProcessor) -> tuple[list[int], list[float]]:
    """Ids with BOS and EOS, and for each id the weight of its loss as a target."""
    ids, weights = [BOS], [0.0]
    for line in text.splitlines(keepends=True):
        pieces = tokenizer.encode(line)
        weight = PLAYER_WEIGHT if line.startswith("Player:") else 1.0
        ids += pieces
        weights += [weight] * len(pieces)
    return ids + [EOS], weights + [1.0]


def load_documents(path: Path, tokenizer_path: Path, context: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """All documents that fit into the context."""
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_path))
    documents = []
    for text in path.read_text(encoding="utf-8").rstrip("\n").split("\n\n"):
        ids, weights = encode_document(text + "\n", tokenizer)
        if len(ids) <= context:
            documents.append((np.array(ids, dtype=np.int64), np.array(weights, dtype=np.float32)))
    return documents


def make_batches(documents: list, tokens_per_batch: int, rng: random.Random) -> list[list[int]]:
    """Indices of documents: windows of the shuffled order are sorted by length, so little is padding."""
    order = list(range(len(documents)))
    rng.shuffle(order)
    batches, window = [], 2048
    for start in range(0, len(order), window):
        chunk = sorted(order[start : start + window], key=lambda i: len(documents[i][0]))
        batch: list[int] = []
        for index in chunk:
            if batch and len(documents[index][0]) * (len(batch) + 1) > tokens_per_batch:
                batches.append(batch)
                batch = []
            batch.append(index)
        batches.append(batch)
    rng.shuffle(batches)
    return batches


def collate(documents: list, batch: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(inputs, targets, weights), each [documents, longest - 1]; padding has weight 0."""
    width = max(len(documents[i][0]) for i in batch)
    ids = np.full((len(batch), width), EOS, dtype=np.int64)
    weights = np.zeros((len(batch), width), dtype=np.float32)
    for row, index in enumerate(batch):
        document, weight = documents[index]
        ids[row, : len(document)] = document
        weights[row, : len(weight)] = weight
    ids, weights = torch.from_numpy(ids), torch.from_numpy(weights)
    return ids[:, :-1], ids[:, 1:], weights[:, 1:]
