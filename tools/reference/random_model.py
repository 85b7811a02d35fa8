"""Shapes and weights of the random models, and their GGUF files."""

import dataclasses

import numpy as np

import gguf_file as g
from block_types import ENCODERS


@dataclasses.dataclass
class Shape:
    name: str
    dim: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    layers: int
    vocab: int
    context: int = 64
    tied: bool = False
    weights: str = "f32"
    rope_base: float = 10000.0
    rope: str = "plain"  # plain | linear | llama3-keys | llama3-tensor
    rope_factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_context: int = 64
    eps: float = 1e-5
    long_prompt: int = 0  # length of a second, longer prompt; 0: none


SHAPES = [
    Shape("mha-head20-f32", dim=40, heads=2, kv_heads=2, head_dim=20, ffn=51, layers=2, vocab=263),
    Shape("gqa3-head64-linear-f16", dim=64, heads=3, kv_heads=1, head_dim=64, ffn=96, layers=2, vocab=499,
          context=384, tied=True, weights="f16", rope="linear", rope_factor=4.0, long_prompt=300),
    Shape("gqa7-head80-llama3-keys-f16", dim=36, heads=7, kv_heads=1, head_dim=80, ffn=50, layers=2, vocab=263,
          weights="f16", rope="llama3-keys", rope_factor=8.0, rope_base=500000.0),
    Shape("gqa3-head128-llama3-tensor-f16", dim=32, heads=3, kv_heads=1, head_dim=128, ffn=64, layers=2, vocab=1009,
          tied=True, weights="f16", rope="llama3-tensor", rope_factor=32.0, rope_base=500000.0, eps=1e-6),
    Shape("gqa3-head20-long-f32", dim=40, heads=6, kv_heads=2, head_dim=20, ffn=33, layers=3, vocab=263,
          context=512, tied=True, long_prompt=300),
    Shape("mha-head64-bf16", dim=64, heads=2, kv_heads=2, head_dim=64, ffn=96, layers=1, vocab=263, weights="bf16"),
    Shape("gqa3-head64-q8_0", dim=64, heads=3, kv_heads=1, head_dim=64, ffn=96, layers=2, vocab=499, tied=True,
          context=384, weights="q8_0", long_prompt=300),
    Shape("gqa4-head64-q4_k", dim=256, heads=4, kv_heads=1, head_dim=64, ffn=256, layers=1, vocab=263, tied=True,
          weights="q4_k"),
    Shape("gqa4-head64-q6_k", dim=256, heads=4, kv_heads=1, head_dim=64, ffn=256, layers=1, vocab=263, tied=True,
          weights="q6_k"),
]

# For tests of faults: small enough to fail every allocation and to cut at every byte.
TINY = Shape("tiny-300", dim=16, heads=2, kv_heads=1, head_dim=8, ffn=32, layers=2, vocab=300, tied=True, context=128)


def vocabulary(size):
    """Pieces of a SentencePiece-like vocabulary: three specials, 256 bytes, then real-looking pieces."""
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    letters = "etaoinshrdlcumwfgypbvkjxqz"
    extra = ["\u2581"] + list("etaoinshrdlu") + ["\u2581t", "he", "\u2581the", "in", "er", "\u2581a", "an", "on", "re",
             "\u2581s", "ed", "\u2581w", "\u2581o", "nd", "ou", "\u2581and", "ing", "\u2581to"]
    extra += [c for c in letters if c not in extra] + [".", ",", "!", "?", "'", "\n"]
    extra += [a + b for a in letters for b in letters if a + b not in extra]
    extra += ["\u2581" + a + b for a in letters for b in letters]
    pieces = list(dict.fromkeys(pieces + extra))
    assert len(set(pieces[:size])) == size
    types = [2, 3, 3] + [6] * 256 + [1] * (size - 259)
    # Longer pieces are made later by merging, so they must not come before their parts: scores fall with the index.
    scores = [0.0] * 259 + [-float(i) for i in range(size - 259)]
    return pieces[:size], scores, types[:size]


def make_weights(shape, seed):
    """Tensors as float64: every matrix scaled so that its outputs have about unit variance, attention included, so
    that logits spread over several units and no part of the model is idle."""
    rng = np.random.default_rng(seed)

    def matrix(rows, cols, gain=1.0):
        return rng.standard_normal((rows, cols)) * (gain / np.sqrt(cols))

    def norm():
        return 1.0 + 0.2 * rng.standard_normal(shape.dim)

    q_rows, kv_rows = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    tensors = {"token_embd.weight": rng.standard_normal((shape.vocab, shape.dim))}
    for i in range(shape.layers):
        p = f"blk.{i}."
        tensors[p + "attn_norm.weight"] = norm()
        tensors[p + "attn_q.weight"] = matrix(q_rows, shape.dim, 1.5)
        tensors[p + "attn_k.weight"] = matrix(kv_rows, shape.dim, 1.5)
        tensors[p + "attn_v.weight"] = matrix(kv_rows, shape.dim)
        tensors[p + "attn_output.weight"] = matrix(shape.dim, q_rows, 1.5)
        tensors[p + "ffn_norm.weight"] = norm()
        tensors[p + "ffn_gate.weight"] = matrix(shape.ffn, shape.dim, 1.5)
        tensors[p + "ffn_up.weight"] = matrix(shape.ffn, shape.dim)
        tensors[p + "ffn_down.weight"] = matrix(shape.dim, shape.ffn, 1.5)
    tensors["output_norm.weight"] = norm()
    if not shape.tied:
        tensors["output.weight"] = matrix(shape.vocab, shape.dim, 3.0)
    else:
        # The output matrix is the embedding: its rows have norm sqrt(dim), so shrink both to keep logits moderate.
        tensors["token_embd.weight"] *= 3.0 / np.sqrt(shape.dim)
    return tensors


def llama3_divisors(shape):
    """By how much each plain frequency is divided in Llama 3.1's scheme, by its published formula."""
    i = np.arange(shape.head_dim // 2)
    frequency = shape.rope_base ** (-2.0 * i / shape.head_dim)
    wavelength = 2 * np.pi / frequency
    ramp = (shape.original_context / wavelength - shape.low_freq_factor) / (
        shape.high_freq_factor - shape.low_freq_factor)
    ramp = np.clip(ramp, 0, 1)
    return 1 / ((1 - ramp) / shape.rope_factor + ramp)


def frequencies(shape, rope_divisors=None):
    """Radians a position for each pair, float64."""
    i = np.arange(shape.head_dim // 2)
    frequency = shape.rope_base ** (-2.0 * i / shape.head_dim)
    if shape.rope == "linear":
        return frequency / shape.rope_factor
    if shape.rope == "llama3-keys":
        return frequency / llama3_divisors(shape)
    if shape.rope == "llama3-tensor":
        return frequency / rope_divisors
    return frequency


def _metadata(writer, shape):
    w = writer
    w.add("general.architecture", g.STRING, "llama")
    w.add("general.name", g.STRING, "random " + shape.name)
    w.add("llama.context_length", g.UINT32, shape.context)
    w.add("llama.embedding_length", g.UINT32, shape.dim)
    w.add("llama.block_count", g.UINT32, shape.layers)
    w.add("llama.feed_forward_length", g.UINT32, shape.ffn)
    w.add("llama.attention.head_count", g.UINT32, shape.heads)
    w.add("llama.attention.head_count_kv", g.UINT32, shape.kv_heads)
    w.add("llama.rope.dimension_count", g.UINT32, shape.head_dim)
    w.add("llama.attention.key_length", g.UINT32, shape.head_dim)
    w.add("llama.attention.value_length", g.UINT32, shape.head_dim)
    w.add("llama.rope.freq_base", g.FLOAT32, shape.rope_base)
    w.add("llama.attention.layer_norm_rms_epsilon", g.FLOAT32, shape.eps)
    w.add("llama.vocab_size", g.UINT32, shape.vocab)
    if shape.rope == "linear":
        w.add("llama.rope.scaling.type", g.STRING, "linear")
        w.add("llama.rope.scaling.factor", g.FLOAT32, shape.rope_factor)
    if shape.rope == "llama3-keys":
        w.add("llama.rope.scaling.type", g.STRING, "llama3")
        w.add("llama.rope.scaling.factor", g.FLOAT32, shape.rope_factor)
        w.add("llama.rope.scaling.low_freq_factor", g.FLOAT32, shape.low_freq_factor)
        w.add("llama.rope.scaling.high_freq_factor", g.FLOAT32, shape.high_freq_factor)
        w.add("llama.rope.scaling.original_context_length", g.UINT32, shape.original_context)
    pieces, scores, types = vocabulary(shape.vocab)
    w.add("tokenizer.ggml.model", g.STRING, "llama")
    w.add("tokenizer.ggml.pre", g.STRING, "default")
    w.add_array("tokenizer.ggml.tokens", g.STRING, pieces)
    w.add_array("tokenizer.ggml.scores", g.FLOAT32, scores)
    w.add_array("tokenizer.ggml.token_type", g.INT32, types)
    w.add("tokenizer.ggml.bos_token_id", g.UINT32, 1)
    w.add("tokenizer.ggml.eos_token_id", g.UINT32, 2)
    w.add("tokenizer.ggml.unknown_token_id", g.UINT32, 0)
    w.add("tokenizer.ggml.add_bos_token", g.BOOL, True)
    w.add("tokenizer.ggml.add_eos_token", g.BOOL, False)


def write_model(shape, seed, path):
    """Writes the GGUF file; returns the exact float64 values of every tensor in it."""
    writer = g.GgufWriter()
    _metadata(writer, shape)
    exact = {}
    tensors = make_weights(shape, seed)
    if shape.rope == "llama3-tensor":
        tensors["rope_freqs.weight"] = llama3_divisors(shape)
    for name, values in tensors.items():
        kind = "f32" if values.ndim == 1 else shape.weights
        data, exact[name] = ENCODERS[kind](values)
        writer.add_tensor(name, kind, values.shape, data)
    writer.write(path)
    return exact
