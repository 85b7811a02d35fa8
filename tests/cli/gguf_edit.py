"""A GGUF file with other metadata, for tests of what the program makes of it."""

import struct

_ALIGNMENT = 32  # of the tensors' data; none of the files that tests use says otherwise
# Bytes of a value of each scalar type: 0 to 7 are the integers up to 32 bits, float32 and bool; 10 to 12 have 8.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_BOOL, _STRING, _ARRAY = 7, 8, 9


def _skip_string(data, place):
    return place + 8 + struct.unpack_from('<Q', data, place)[0]


def _skip_value(data, place, kind):
    if kind == _STRING:
        return _skip_string(data, place)
    if kind != _ARRAY:
        return place + _SIZES[kind]
    element, count = struct.unpack_from('<IQ', data, place)
    place += 12
    if element in _SIZES:
        return place + count * _SIZES[element]
    for _ in range(count):
        place = _skip_value(data, place, element)
    return place


def _string(text):
    return struct.pack('<Q', len(text)) + text


def _entry(key, value):
    if isinstance(value, bool):
        return _string(key.encode()) + struct.pack('<IB', _BOOL, value)
    return _string(key.encode()) + struct.pack('<I', _STRING) + _string(value.encode())


def _padding(size):
    return b'\0' * (-size % _ALIGNMENT)


def with_metadata(data, entries):
    """The file `data` with `entries` (key to text or bool) set, in place of those of the same key."""
    tensors, count = struct.unpack_from('<QQ', data, 8)
    kept, place = [], 24
    for _ in range(count):
        value = _skip_string(data, place)
        end = _skip_value(data, value + 4, struct.unpack_from('<I', data, value)[0])
        if data[place + 8:value].decode() not in entries:
            kept.append(data[place:end])
        place = end
    tensors_at = place
    for _ in range(tensors):
        place = _skip_string(data, place)
        place += 4 + 8 * struct.unpack_from('<I', data, place)[0] + 12  # dimensions, then type and offset
    every = kept + [_entry(key, value) for key, value in entries.items()]
    head = data[:8] + struct.pack('<QQ', tensors, len(every)) + b''.join(every) + data[tensors_at:place]
    return head + _padding(len(head)) + data[place + len(_padding(place)):]
