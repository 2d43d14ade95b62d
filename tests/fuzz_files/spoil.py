"""How a file is spoilt: bytes, numbers in text, values in JSON, headers that lie."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 10**9, 2**31, 2**53, 2**62, 2**64, 10**400, -(2**63),
    0.0, -0.0, 0.5, 1e-320, 1e300, -1e308, 1e309, float("nan"), float("inf"), float("-inf"),
    "", " ", "0", "a", "nan", "\x00", "\ud800", "é" * 300, "x" * 5000, "<img onerror=x>", "../../x",
    [], [[]], [0], [1, 28, 28], [1] * 70, [0, 2**62, 4], [None] * 3, [-1, 2, 3], ["0", "1", "2"],
    {}, {"a": 1}, {"kind": "standard", "mean": [0], "std": [0]}, {"accuracy": 2, "loss": "x"},
)  # fmt: skip
"""What a value becomes: of every type, and at the edge of each."""
TOKENS = (
    b"", b"\x00", b"\xff", b"\n", b"\r", b",", b";", b'"', b"'", b"-", b"e999", b"NaN", b"Infinity",
    b"1e400", b"9" * 30, b"9" * 5000, b"-1", b"0", b"[" * 300, b"{" * 300, b"[" * 100_000, b"true",
    b"null", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"../",
    b"(0, 4611686018427387904)", b"O", b"= 1", b"[[a]]\n", b"#",
)  # fmt: skip
"""What is put into bytes: the marks that parsers look for."""


def spoil_bytes(data: bytes, rng: random.Random) -> bytes:
    """A few changes anywhere: flips, cuts, repeats, tokens, lengths at their edges."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(changed) + 1)
        if rng.random() < 0.5:  # headers come first
            at = min(at, rng.randrange(200))
        kind = rng.randrange(8)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif kind == 2:
            del changed[at : at + rng.choice((1, 1, 2, 4, 8, 100, len(changed)))]
        elif kind == 3:
            changed[at:at] = rng.choice(TOKENS)
        elif kind == 4:
            token = rng.choice(TOKENS)
            changed[at : at + len(token)] = token
        elif kind == 5:
            size = rng.choice((1, 2, 4, 8))
            edge = rng.choice(
                (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
            )
            order = rng.choice(("little", "big"))
            changed[at : at + size] = edge.to_bytes(size, order)
        elif kind == 6:
            length = rng.choice((1, 4, 16, 200))
            changed[at:at] = changed[at : at + length]
        else:
            changed = changed[:at]
    return bytes(changed)


def spoil_value(value: Any, rng: random.Random) -> Any:
    """A JSON value with one of its parts exchanged, dropped, doubled or nested."""
    places = list(_places(value, ()))
    path = rng.choice(places)
    kind = rng.random()
    if not path or kind < 0.02:
        return rng.choice(VALUES)
    owner = value = json.loads(json.dumps(value))
    for key in path[:-1]:
        owner = owner[key]
    last = path[-1]
    if kind < 0.15:
        del owner[last]
    elif kind < 0.2:
        nested: Any = owner[last]
        for _ in range(rng.choice((1, 5, 200))):
            nested = [nested]
        owner[last] = nested
    elif kind < 0.25 and isinstance(owner, dict):
        owner[rng.choice(("extra", "", "test", "tta", "imported", "name"))] = rng.choice(VALUES)
    else:
        owner[last] = rng.choice(VALUES)
    return value


def as_json(value: Any) -> bytes:
    """JSON as Python writes it, NaN and half characters too."""
    return json.dumps(value).encode()


def safetensors(header: Any, body: bytes) -> bytes:
    """A file of that header, whatever it is."""
    text = header if isinstance(header, bytes) else as_json(header)
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def _places(value: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The paths of a value and of all within it."""
    found = [path]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += _places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:8]):
            found += _places(inner, (*path, index))
    return found
