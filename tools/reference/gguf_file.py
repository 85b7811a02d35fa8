"""Writes GGUF v3 files: just enough for the small models that tests load. Little endian, alignment 32."""

import struct

import numpy as np

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
ALIGNMENT = 32

# name: (type id, values a block, bytes a block)
TENSOR_TYPES = {
    "f32": (0, 1, 4),
    "f16": (1, 1, 2),
    "q8_0": (8, 32, 34),
    "q4_k": (12, 256, 144),
    "q6_k": (14, 256, 210),
    "bf16": (30, 1, 2),
}


def _string(text):
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def _scalar(kind, value):
    if kind == STRING:
        return _string(value)
    code = {UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind]
    return struct.pack(code, value)


class GgufWriter:
    """Collects metadata and tensors in order, then writes them."""

    def __init__(self):
        self._metadata = []
        self._tensors = []  # name, type name, shape (numpy order), bytes

    def add(self, key, kind, value):
        self._metadata.append(_string(key) + struct.pack("<I", kind) + _scalar(kind, value))

    def add_array(self, key, kind, values):
        body = b"".join(_scalar(kind, v) for v in values)
        self._metadata.append(_string(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + body)

    def add_tensor(self, name, type_name, shape, data):
        """`shape` in numpy's order (rows, columns); the file stores it reversed. `data`: the encoded bytes."""
        _, per_block, block_bytes = TENSOR_TYPES[type_name]
        count = int(np.prod(shape))
        assert shape[-1] % per_block == 0 and len(data) == count // per_block * block_bytes, name
        self._tensors.append((name, type_name, shape, data))

    def write(self, path):
        header = b"GGUF" + struct.pack("<IQQ", 3, len(self._tensors), len(self._metadata))
        header += b"".join(self._metadata)
        offset = 0
        for name, type_name, shape, data in self._tensors:
            header += _string(name) + struct.pack("<I", len(shape))
            header += b"".join(struct.pack("<Q", n) for n in reversed(shape))
            header += struct.pack("<IQ", TENSOR_TYPES[type_name][0], offset)
            offset += -(-len(data) // ALIGNMENT) * ALIGNMENT
        with open(path, "wb") as f:
            f.write(header + b"\0" * (-len(header) % ALIGNMENT))
            for _, _, _, data in self._tensors:
                f.write(data + b"\0" * (-len(data) % ALIGNMENT))
