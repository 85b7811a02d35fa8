"""The llama forward pass in numpy, float64, with hooks where an implementation rounds. It is the truth of the golden
files; with a hook it says how far a given kind of rounding moves the logits."""

import numpy as np

UNIT = 2.0**-24  # the largest relative error of one rounding to float32


class Exact:
    """No rounding."""

    def matmul_input(self, x):
        return x

    def matmul(self, x, weight):
        return x @ weight.T

    def elementwise(self, x):
        return x

    def kv(self, x):
        return x


class Rounding(Exact):
    """Random errors as a float32 implementation makes them, in any order of summation.

    A sum of K products, added one after the other, rounds K times; partial sums of terms with random signs grow to
    about the 2-norm of the terms, so the errors add up to a standard deviation of at most 2^-24 sqrt(K) times that
    norm. Lanes, trees and chunks round no more often. A value from a chain of elementwise operations (norms, exp, the
    rotation) gets a relative error with a standard deviation of three roundings.
    """

    def __init__(self, rng):
        self._rng = rng

    def matmul(self, x, weight):
        norm = np.sqrt((x * x) @ (weight * weight).T)
        deviation = UNIT * np.sqrt(weight.shape[1]) * norm
        return x @ weight.T + self._rng.standard_normal(deviation.shape) * deviation

    def elementwise(self, x):
        return x * (1 + 3 * UNIT * self._rng.standard_normal(x.shape))


class Int8Activations(Exact):
    """Inputs of matrix products quantized in blocks of 32: d = max / 127, round to nearest even."""

    def matmul_input(self, x):
        cols = x.shape[-1]
        padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -cols % 32)]).reshape(*x.shape[:-1], -1, 32)
        d = np.abs(padded).max(axis=-1, keepdims=True) / 127
        rounded = np.rint(padded / np.where(d == 0, 1, d)) * d
        return rounded.reshape(*x.shape[:-1], -1)[..., :cols]


class Int8Noise(Exact):
    """What Int8Activations does as a random process: a value moves by up to half a step of its block, every amount as
    likely. Rounding real values is that; each generator gives another draw of it."""

    def __init__(self, rng):
        self._rng = rng

    def matmul_input(self, x):
        cols = x.shape[-1]
        padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -cols % 32)]).reshape(*x.shape[:-1], -1, 32)
        d = np.abs(padded).max(axis=-1, keepdims=True) / 127
        moved = padded + d * self._rng.uniform(-0.5, 0.5, padded.shape)
        return moved.reshape(*x.shape[:-1], -1)[..., :cols]


def _ulp(x, bits, smallest):
    """The step between floats of `bits` significant bits at x; denormals below `smallest`, the least normal one."""
    exponent = np.floor(np.log2(np.maximum(np.abs(x), smallest)))
    return 2.0 ** (exponent - (bits - 1))


class Bf16Noise(Exact):
    """Inputs of matrix products rounded to bfloat16, as a random process."""

    def __init__(self, rng):
        self._rng = rng

    def matmul_input(self, x):
        return x + _ulp(x, 8, 2.0**-126) * self._rng.uniform(-0.5, 0.5, x.shape)


class HalfKvNoise(Exact):
    """Keys and values rounded to float16, as a random process."""

    def __init__(self, rng):
        self._rng = rng

    def kv(self, x):
        return x + _ulp(x, 11, 2.0**-14) * self._rng.uniform(-0.5, 0.5, x.shape)


class HalfKv(Exact):
    """Keys and values stored as float16."""

    def kv(self, x):
        return x.astype(np.float16).astype(np.float64)


def _rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight


def _rotate(x, cos, sin):
    """x: [tokens, heads, head_dim]; adjacent pairs (x[2i], x[2i+1]) turn by the angle of pair i."""
    even, odd = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2] = even * cos - odd * sin
    out[..., 1::2] = even * sin + odd * cos
    return out


def _attention(shape, q, k, v, hook):
    tokens = q.shape[0]
    group = shape.heads // shape.kv_heads
    mask = np.triu(np.full((tokens, tokens), -np.inf), 1)
    out = np.empty_like(q)
    for head in range(shape.heads):
        keys, values = k[:, head // group], v[:, head // group]
        scores = hook.matmul(q[:, head], keys) / np.sqrt(shape.head_dim) + mask
        p = hook.elementwise(np.exp(scores - scores.max(axis=1, keepdims=True)))
        # The divisor is a sum of up to `tokens` terms of one sign: one more matrix product for the hook.
        total = hook.matmul(p, np.ones((1, tokens)))
        out[:, head] = hook.matmul(p, values.T) / total
    return out


def logits(shape, weights, tokens, hook=None):
    """[tokens, vocab] logits of every position."""
    from random_model import frequencies

    hook = hook or Exact()
    n = len(tokens)
    angles = np.arange(n)[:, None] * frequencies(shape, weights.get("rope_freqs.weight"))[None, :]
    cos, sin = hook.elementwise(np.cos(angles))[:, None], hook.elementwise(np.sin(angles))[:, None]
    eps = float(np.float32(shape.eps))  # as the file stores it

    def product(x, name):
        return hook.matmul(hook.matmul_input(x), weights[name])

    x = weights["token_embd.weight"][tokens]
    for i in range(shape.layers):
        p = f"blk.{i}."
        h = hook.elementwise(_rms_norm(x, weights[p + "attn_norm.weight"], eps))
        q = product(h, p + "attn_q.weight").reshape(n, shape.heads, shape.head_dim)
        k = product(h, p + "attn_k.weight").reshape(n, shape.kv_heads, shape.head_dim)
        v = product(h, p + "attn_v.weight").reshape(n, shape.kv_heads, shape.head_dim)
        q = hook.elementwise(_rotate(q, cos, sin))
        k = hook.kv(hook.elementwise(_rotate(k, cos, sin)))
        a = _attention(shape, q, k, hook.kv(v), hook).reshape(n, -1)
        x = hook.elementwise(x + product(a, p + "attn_output.weight"))
        h = hook.elementwise(_rms_norm(x, weights[p + "ffn_norm.weight"], eps))
        gate = product(h, p + "ffn_gate.weight")
        h = hook.elementwise(gate / (1 + np.exp(-gate)) * product(h, p + "ffn_up.weight"))
        x = hook.elementwise(x + product(h, p + "ffn_down.weight"))
    h = hook.elementwise(_rms_norm(x, weights["output_norm.weight"], eps))
    return product(h, "output.weight" if "output.weight" in weights else "token_embd.weight")
