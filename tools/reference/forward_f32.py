"""The llama forward pass in PyTorch, float32, from PyTorch's own parts (linear, scaled_dot_product_attention, complex
multiplication for the rotation): a second opinion that shares no code with forward_f64.py."""

import numpy as np
import torch
import torch.nn.functional as F


def _angles(shape, weights, count):
    """The rotation of each (position, pair) as a complex64 number, made in double."""
    exponents = torch.arange(0, shape.head_dim, 2, dtype=torch.float64) / shape.head_dim
    inverse = 1.0 / torch.pow(torch.tensor(shape.rope_base, dtype=torch.float64), exponents)
    positions = torch.arange(count, dtype=torch.float64)
    if shape.rope == "linear":
        positions = positions / shape.rope_factor
    elif shape.rope == "llama3-tensor":
        inverse = inverse / torch.from_numpy(weights["rope_freqs.weight"])
    elif shape.rope == "llama3-keys":
        inverse = torch.tensor([_llama3(shape, f) for f in inverse.tolist()], dtype=torch.float64)
    angle = torch.outer(positions, inverse)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def _llama3(shape, frequency):
    """One frequency by the three cases of the published scheme."""
    wavelength = 2 * np.pi / frequency
    if wavelength < shape.original_context / shape.high_freq_factor:
        return frequency
    if wavelength > shape.original_context / shape.low_freq_factor:
        return frequency / shape.rope_factor
    smooth = (shape.original_context / wavelength - shape.low_freq_factor) / (
        shape.high_freq_factor - shape.low_freq_factor)
    return (1 - smooth) * frequency / shape.rope_factor + smooth * frequency


def _rotate(x, angles):
    """x: [heads, tokens, head_dim]."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(pairs * angles).flatten(-2)


@torch.no_grad()
def logits(shape, weights, tokens):
    w = {name: torch.from_numpy(values.astype(np.float32)) for name, values in weights.items()}
    n = len(tokens)
    angles = _angles(shape, weights, n)

    def norm(x, name):
        return F.rms_norm(x, (shape.dim,), w[name], shape.eps)

    def heads(x, count):
        return x.view(n, count, shape.head_dim).transpose(0, 1)

    x = w["token_embd.weight"][torch.tensor(tokens)]
    for i in range(shape.layers):
        p = f"blk.{i}."
        h = norm(x, p + "attn_norm.weight")
        q = _rotate(heads(F.linear(h, w[p + "attn_q.weight"]), shape.heads), angles)
        k = _rotate(heads(F.linear(h, w[p + "attn_k.weight"]), shape.kv_heads), angles)
        v = heads(F.linear(h, w[p + "attn_v.weight"]), shape.kv_heads)
        group = shape.heads // shape.kv_heads
        k, v = k.repeat_interleave(group, 0), v.repeat_interleave(group, 0)
        a = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
        x = x + F.linear(a.transpose(0, 1).reshape(n, -1), w[p + "attn_output.weight"])
        h = norm(x, p + "ffn_norm.weight")
        h = F.silu(F.linear(h, w[p + "ffn_gate.weight"])) * F.linear(h, w[p + "ffn_up.weight"])
        x = x + F.linear(h, w[p + "ffn_down.weight"])
    head = w.get("output.weight", w["token_embd.weight"])
    return F.linear(norm(x, "output_norm.weight"), head).numpy().astype(np.float64)
