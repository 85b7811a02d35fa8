"""Perplexity of a text under a llama-architecture GGUF file, from a float64 forward pass in numpy.

    python3 tools/reference/perplexity.py MODEL.gguf TEXT_FILE --window W

The oracle for `llmrt eval`: nothing here shares code with the library. F32, F16 and Q8_0 tensors and SentencePiece
vocabularies whose pieces cover the text. The method is that of tools/cli/perplexity.h: windows of W tokens, BOS first in
each, no overlap, every token of the text scored once. Writes one JSON object.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class GgufReader:
    """Metadata and dequantized tensors of a GGUF file."""

    def __init__(self, path):
        self.bytes = Path(path).read_bytes()
        self.at = 4  # behind the magic number
        _, tensors, keys = self._take("IQQ")
        self.metadata = {self._string(): self._value(self._take("I")[0]) for _ in range(keys)}
        self.infos = {}
        for _ in range(tensors):
            name = self._string()
            dims = self._take(f"{self._take('I')[0]}Q")
            self.infos[name] = (dims[::-1], *self._take("IQ"))  # numpy's order of dimensions, type, offset
        alignment = self.metadata.get("general.alignment", 32)
        self.data = (self.at + alignment - 1) // alignment * alignment

    def _take(self, form):
        values = struct.unpack_from("<" + form, self.bytes, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def _string(self):
        (length,) = self._take("Q")
        self.at += length
        return self.bytes[self.at - length : self.at].decode("utf-8", errors="replace")

    def _value(self, kind):
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            kind, count = self._take("IQ")
            return [self._value(kind) for _ in range(count)]
        return self._take(_SCALARS[kind])[0]

    def tensor(self, name):
        shape, kind, offset = self.infos[name]
        count = int(np.prod(shape))
        start = self.data + offset
        if kind in (0, 1):
            values = np.frombuffer(self.bytes, np.float32 if kind == 0 else np.float16, count, start)
        elif kind == 8:  # Q8_0: blocks of a float16 scale and 32 int8
            blocks = np.frombuffer(self.bytes, np.dtype([("d", "<f2"), ("q", "i1", 32)]), count // 32, start)
            values = blocks["d"].astype(np.float64)[:, None] * blocks["q"]
        else:
            raise ValueError(f"{name}: type {kind} is not read here")
        return values.astype(np.float64).reshape(shape)


def tokenize(metadata, text):
    """SentencePiece BPE: merges the neighbours whose union has the best score, the leftmost of equals, until none has one."""
    scores = dict(zip(metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.scores"]))
    ids = {piece: i for i, piece in enumerate(metadata["tokenizer.ggml.tokens"])}
    pieces = list(("\u2581" + text).replace(" ", "\u2581"))
    while True:
        unions = [(-scores[a + b], i) for i, (a, b) in enumerate(zip(pieces, pieces[1:])) if a + b in scores]
        if not unions:
            return [ids.get(piece, ids.get(f"<0x{ord(piece[0]):02X}>")) for piece in pieces]
        _, i = min(unions)
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]


class Llama:
    """The architecture, one whole window at a time."""

    def __init__(self, file):
        meta = file.metadata
        self.layers = meta["llama.block_count"]
        self.heads = meta["llama.attention.head_count"]
        self.kv_heads = meta.get("llama.attention.head_count_kv", self.heads)
        self.eps = meta["llama.attention.layer_norm_rms_epsilon"]
        self.base = meta.get("llama.rope.freq_base", 10000.0)
        self.weights = {name: file.tensor(name) for name in file.infos}

    def _norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.weights[name]

    def _rope(self, x):
        """x: [tokens, heads, head_dim]; rotates the neighbours (2i, 2i + 1)."""
        half = x.shape[-1] // 2
        angles = np.arange(len(x))[:, None] * self.base ** (-np.arange(half) / half)
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        even, odd = x[..., 0::2], x[..., 1::2]
        return np.stack((even * cos - odd * sin, even * sin + odd * cos), -1).reshape(x.shape)

    def _attention(self, x, block):
        def heads(part, count):
            return (x @ self.weights[f"{block}.attn_{part}.weight"].T).reshape(len(x), count, -1)

        q, k, v = self._rope(heads("q", self.heads)), self._rope(heads("k", self.kv_heads)), heads("v", self.kv_heads)
        k, v = (np.repeat(part, self.heads // self.kv_heads, axis=1) for part in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1])
        scores[:, np.triu(np.ones((len(x), len(x)), bool), 1)] = -np.inf
        p = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = np.einsum("hqk,khd->qhd", p / p.sum(-1, keepdims=True), v).reshape(len(x), -1)
        return mixed @ self.weights[f"{block}.attn_output.weight"].T

    def _feed_forward(self, x, block):
        gate = x @ self.weights[f"{block}.ffn_gate.weight"].T
        up = x @ self.weights[f"{block}.ffn_up.weight"].T
        return (gate / (1 + np.exp(-gate)) * up) @ self.weights[f"{block}.ffn_down.weight"].T

    def logprobs(self, tokens):
        """Of tokens[1:], each given those before it."""
        x = self.weights["token_embd.weight"][tokens]
        for layer in range(self.layers):
            block = f"blk.{layer}"
            x = x + self._attention(self._norm(x, f"{block}.attn_norm.weight"), block)
            x = x + self._feed_forward(self._norm(x, f"{block}.ffn_norm.weight"), block)
        head = self.weights.get("output.weight", self.weights["token_embd.weight"])
        logits = self._norm(x, "output_norm.weight") @ head.T
        best = logits.max(-1)
        logsumexp = best + np.log(np.exp(logits - best[:, None]).sum(-1))
        return logits[np.arange(len(tokens) - 1), tokens[1:]] - logsumexp[:-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--window", type=int, required=True)
    arguments = parser.parse_args()
    file = GgufReader(arguments.model)
    model = Llama(file)
    tokens = tokenize(file.metadata, arguments.text.read_text(encoding="utf-8"))
    bos = file.metadata["tokenizer.ggml.bos_token_id"]
    stride = arguments.window - 1
    windows = [[bos, *tokens[i : i + stride]] for i in range(0, len(tokens), stride)]
    scored = np.concatenate([model.logprobs(window) for window in windows])
    print(json.dumps({"model": arguments.model.name, "window": arguments.window, "tokens": len(scored),
                      "perplexity": float(np.exp(-scored.mean()))}))


if __name__ == "__main__":
    main()
