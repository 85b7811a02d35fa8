"""Loads a bundled GGUF file back into PyTorch, weights dequantized to float32, with its tokenizer.

Reads through the `gguf` package and tokenizes from the stored scores, so it checks what export_gguf.py wrote
instead of trusting it. Speed does not matter here.
"""

import re
from pathlib import Path

import gguf
import numpy as np
import torch

from model import Config, Llama

_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")


class Vocabulary:
    """SentencePiece BPE as llama runtimes do it: join the neighbours whose joined piece has the best score, leftmost first."""

    def __init__(self, fields: dict):
        self.pieces: list[str] = fields["tokenizer.ggml.tokens"].contents()
        self.scores: list[float] = fields["tokenizer.ggml.scores"].contents()
        self.types: list[int] = fields["tokenizer.ggml.token_type"].contents()
        self.bos: int = fields["tokenizer.ggml.bos_token_id"].contents()
        self.eos: int = fields["tokenizer.ggml.eos_token_id"].contents()
        assert not fields["tokenizer.ggml.add_space_prefix"].contents()
        self.ids = {piece: i for i, piece in enumerate(self.pieces) if self.types[i] == 1}

    def _best_pair(self, parts: list[str]) -> int:
        """Index of the left neighbour to join, or -1."""
        best, best_score = -1, float("-inf")
        for i in range(len(parts) - 1):
            token = self.ids.get(parts[i] + parts[i + 1])
            if token is not None and self.scores[token] > best_score:
                best, best_score = i, self.scores[token]
        return best

    def encode(self, text: str) -> list[int]:
        """Without BOS. A character that is no piece becomes its UTF-8 bytes."""
        parts = list(text.replace(" ", "\u2581"))
        while (at := self._best_pair(parts)) >= 0:
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        tokens = []
        for part in parts:
            if part in self.ids:
                tokens.append(self.ids[part])
            else:
                tokens += [self.pieces.index(f"<0x{byte:02X}>") for byte in part.encode("utf-8")]
        return tokens

    def decode(self, tokens: list[int]) -> str:
        data = b""
        for token in tokens:
            byte = _BYTE_PIECE.fullmatch(self.pieces[token])
            data += bytes([int(byte[1], 16)]) if byte else self.pieces[token].replace("\u2581", " ").encode("utf-8")
        return data.decode("utf-8", errors="replace")


def _config(fields: dict) -> Config:
    value = lambda key: fields[f"llama.{key}"].contents()  # noqa: E731
    return Config(
        dim=value("embedding_length"), layers=value("block_count"), heads=value("attention.head_count"),
        kv_heads=value("attention.head_count_kv"), ffn=value("feed_forward_length"), vocab=value("vocab_size"),
        context=value("context_length"), eps=value("attention.layer_norm_rms_epsilon"), rope_base=value("rope.freq_base"),
    )  # fmt: skip


def load(path: Path) -> tuple[Llama, Vocabulary]:
    reader = gguf.GGUFReader(path)
    model = Llama(_config(reader.fields))
    state = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        state[tensor.name] = torch.from_numpy(values.copy())
    model.load_state_dict(state)
    return model.eval(), Vocabulary(reader.fields)


@torch.no_grad()
def greedy_tokens(model: Llama, vocabulary: Vocabulary, prompt: str, max_tokens: int = 64) -> list[int]:
    """Ids of the answer, without the newline or EOS that ends it. The lowest id wins a tie."""
    tokens = [vocabulary.bos] + vocabulary.encode(prompt)
    newline = vocabulary.encode("\n")[0]
    answer: list[int] = []
    while len(answer) < max_tokens:
        logits = model(torch.tensor([tokens + answer]))[0, -1]
        token = int(logits.argmax())
        if token in (newline, vocabulary.eos):
            break
        answer.append(token)
    return answer
