"""Encodes matrices into the weight types of GGUF by simple rules and returns, beside the bytes, the exact values they
stand for (float64). The rules are plain (round to nearest in each group); only the layout has to be right."""

import numpy as np


def _half(values):
    """float16 values and their exact float64 meaning."""
    half = values.astype(np.float16)
    return half, half.astype(np.float64)


def encode_f32(matrix):
    data = matrix.astype(np.float32)
    return data.tobytes(), data.astype(np.float64)


def encode_f16(matrix):
    half, values = _half(matrix)
    return half.tobytes(), values


def encode_bf16(matrix):
    bits = matrix.astype(np.float32).view(np.uint32)
    top = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return top.tobytes(), (top.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def encode_q8_0(matrix):
    """Blocks of 32: d (half), 32 int8. value = d q."""
    blocks = matrix.reshape(-1, 32)
    d, d_value = _half(np.abs(blocks).max(axis=1, keepdims=True) / 127)
    q = np.clip(np.rint(blocks / np.where(d_value == 0, 1, d_value)), -127, 127).astype(np.int8)
    data = np.concatenate([d.view(np.uint8), q.view(np.uint8)], axis=1)
    return data.tobytes(), (d_value * q).reshape(matrix.shape)


def encode_q4_k(matrix):
    """Blocks of 256 in 8 groups of 32: d, dmin (half), 6-bit scales and minimums in 12 bytes, 128 bytes of nibbles.
    value = d scale q - dmin minimum, q in 0..15."""
    groups = matrix.reshape(-1, 8, 32)
    low = np.minimum(groups.min(axis=2), 0)
    scale = (groups.max(axis=2) - low) / 15
    d, d_value = _half(scale.max(axis=1, keepdims=True) / 63)
    dmin, dmin_value = _half((-low).max(axis=1, keepdims=True) / 63)
    s = np.clip(np.rint(scale / d_value), 0, 63).astype(np.uint8)
    m = np.clip(np.rint(-low / np.where(dmin_value == 0, 1, dmin_value)), 0, 63).astype(np.uint8)
    step = (d_value * s)[:, :, None]
    offset = (dmin_value * m)[:, :, None]
    q = np.clip(np.rint((groups + offset) / np.where(step == 0, 1, step)), 0, 15).astype(np.uint8)
    packed = np.concatenate(
        [
            s[:, :4] | (s[:, 4:] >> 4) << 6,
            m[:, :4] | (m[:, 4:] >> 4) << 6,
            (s[:, 4:] & 15) | (m[:, 4:] & 15) << 4,
        ],
        axis=1,
    )
    nibbles = (q[:, 0::2] | q[:, 1::2] << 4).reshape(-1, 128)
    data = np.concatenate([d.view(np.uint8), dmin.view(np.uint8), packed, nibbles], axis=1)
    return data.tobytes(), (step * q - offset).reshape(matrix.shape)


def encode_q6_k(matrix):
    """Blocks of 256 in 16 groups of 16: 128 bytes of low nibbles, 64 of high bit pairs, 16 int8 scales, d (half).
    value = d scale (q - 32), q in 0..63."""
    groups = matrix.reshape(-1, 16, 16)
    scale = np.abs(groups).max(axis=2) / 31
    d, d_value = _half(scale.max(axis=1, keepdims=True) / 127)
    s = np.clip(np.rint(scale / d_value), 0, 127).astype(np.int8)
    step = (d_value * s)[:, :, None]
    signed = np.clip(np.rint(groups / np.where(step == 0, 1, step)), -32, 31)
    # Each half of 128 values is four runs of 32: runs 0 and 2 share the first 32 bytes of low nibbles, 1 and 3 the
    # second; the four high pairs of position l share byte l.
    q = (signed + 32).astype(np.uint8).reshape(-1, 2, 4, 32)
    low = np.concatenate([q[:, :, 0] & 15 | (q[:, :, 2] & 15) << 4, q[:, :, 1] & 15 | (q[:, :, 3] & 15) << 4], axis=2)
    high = q[:, :, 0] >> 4 | (q[:, :, 1] >> 4) << 2 | (q[:, :, 2] >> 4) << 4 | (q[:, :, 3] >> 4) << 6
    data = np.concatenate(
        [low.reshape(-1, 128), high.reshape(-1, 64), s.view(np.uint8), d.view(np.uint8)], axis=1
    )
    return data.tobytes(), (step * signed).reshape(matrix.shape)


ENCODERS = {
    "f32": encode_f32,
    "f16": encode_f16,
    "bf16": encode_bf16,
    "q8_0": encode_q8_0,
    "q4_k": encode_q4_k,
    "q6_k": encode_q6_k,
}
