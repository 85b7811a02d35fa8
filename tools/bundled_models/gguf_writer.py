"""Writes GGUF version 3: a header, typed metadata, tensor descriptions, then the tensors, each aligned to 32 bytes.

Only what the bundled models need: F32, F16 and Q8_0 tensors, and the metadata types of a llama model with its vocabulary.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ALIGNMENT = 32
F32, F16, Q8_0 = 0, 1, 8  # ggml tensor types
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9  # GGUF value types
Q8_0_BLOCK = 32  # values that share one F16 scale


@dataclass(frozen=True)
class U32:
    value: int


def _string(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def _scalar(value) -> tuple[int, bytes]:
    """(GGUF type, bytes). Plain ints are INT32; U32 wraps the counts and ids, which GGUF wants unsigned."""
    if isinstance(value, bool):
        return _BOOL, struct.pack("<?", value)
    if isinstance(value, U32):
        return _UINT32, struct.pack("<I", value.value)
    if isinstance(value, int):
        return _INT32, struct.pack("<i", value)
    if isinstance(value, float):
        return _FLOAT32, struct.pack("<f", value)
    return _STRING, _string(value)


def _entry(key: str, value) -> bytes:
    if not isinstance(value, list):
        kind, data = _scalar(value)
        return _string(key) + struct.pack("<I", kind) + data
    items = [_scalar(item) for item in value]
    head = struct.pack("<IIQ", _ARRAY, items[0][0], len(items))
    return _string(key) + head + b"".join(data for _, data in items)


def quantize_q8_0(values: np.ndarray) -> bytes:
    """Blocks of 32: an F16 scale d = max|x| / 127, then 32 signed bytes round(x / d); ties go to even."""
    blocks = values.astype(np.float32).reshape(-1, Q8_0_BLOCK)
    scale = np.abs(blocks).max(axis=1) / np.float32(127)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale > 0)
    quants = np.clip(np.rint(blocks * inverse[:, None]), -127, 127).astype(np.int8)
    packed = np.empty(len(blocks), dtype=[("d", "<f2"), ("q", "i1", (Q8_0_BLOCK,))])
    packed["d"], packed["q"] = scale.astype(np.float16), quants
    return packed.tobytes()


def dequantize_q8_0(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    packed = np.frombuffer(data, dtype=[("d", "<f2"), ("q", "i1", (Q8_0_BLOCK,))])
    return (packed["d"].astype(np.float32)[:, None] * packed["q"].astype(np.float32)).reshape(shape)


def encode_tensor(values: np.ndarray, kind: int) -> bytes:
    if kind == Q8_0:
        return quantize_q8_0(values)
    return values.astype("<f2" if kind == F16 else "<f4").tobytes()


def _padding(length: int) -> bytes:
    return b"\0" * (-length % ALIGNMENT)


def write_gguf(path: Path, metadata: dict, tensors: list[tuple[str, np.ndarray, int]]) -> None:
    """tensors: (name, values, ggml type). GGUF lists dimensions fastest first, so a [rows, columns] shape is reversed."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(_entry(key, value) for key, value in metadata.items())
    body = b""
    for name, values, kind in tensors:
        dims = values.shape[::-1]
        head += _string(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims) + struct.pack("<IQ", kind, len(body))
        data = encode_tensor(values, kind)
        body += data + _padding(len(data))
    path.write_bytes(head + _padding(len(head)) + body)
