"""JSON bodies: those that are no JSON, or none that can be passed on unchanged, and a source of all kinds of others."""

import gzip
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

UNREADABLE: Mapping[str, bytes] = MappingProxyType(
    {
        "empty": b"",
        "white space": b" \t\r\n",
        "NUL bytes": bytes(64),
        "NUL behind": b"{}\0",
        "bad UTF-8": b'{"name": "\xff"}',
        "overlong UTF-8": b'{"name": "\xc0\xaf"}',
        "UTF-8 of a surrogate": b'{"name": "\xed\xa0\x80"}',
        "cut UTF-8": b'{"name": "\xe2\x82',
        "byte order mark": b"\xef\xbb\xbf{}",
        "UTF-16": '{"name": "n"}'.encode("utf-16"),
        "UTF-32": '{"name": "n"}'.encode("utf-32"),
        "lone high surrogate": b'{"name": "\\ud800"}',
        "lone low surrogate": b'{"name": "\\udfff x"}',
        "surrogates the wrong way round": b'{"name": "\\udc00\\ud800"}',
        "surrogate in a name": b'{"\\ud800": 1}',
        "raw control character": b'{"name": "a\x00b"}',
        "raw line feed": b'{"name": "a\nb"}',
        "NaN": b'{"name": NaN}',
        "Infinity": b'{"name": Infinity}',
        "-Infinity": b'{"name": -Infinity}',
        "beyond a double": b'{"name": 1e400}',
        "beyond a double, without an exponent": b'{"name": 1' + b"0" * 400 + b".0}",
        "beyond 64 bits": b'{"name": 18446744073709551616}',
        "below 64 bits": b'{"name": -9223372036854775809}',
        "digits without end": b'{"name": ' + b"9" * 20_000 + b"}",
        "leading zero": b'{"name": 01}',
        "leading plus": b'{"name": +1}',
        "hexadecimal": b'{"name": 0x10}',
        "a name twice": b'{"name": "a", "name": "b"}',
        "a name twice, once escaped": b'{"name": "a", "n\\u0061me": "b"}',
        "a name twice, deep inside": b'{"data": [{"a": {"b": 1, "b": 2}}]}',
        "arrays without end": b"[" * 60_000,
        "objects without end": b'{"a":' * 10_000,
        "deep": b'{"data": ' + b"[" * 400 + b"]" * 400 + b"}",
        "trailing comma": b'{"name": "n",}',
        "comment": b'{"name": "n" /* or not */}',
        "single quotes": b"{'name': 'n'}",
        "two values": b"{} {}",
        "unclosed": b'{"name": "n"',
        "bad escape": b'{"name": "\\x41"}',
        "gzip": gzip.compress(b'{"name": "n"}'),
        "a form": b"name=n&url=https%3A%2F%2Fexample.com",
    }
)

_NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -0.0, 2**63, -(2**63), 2**64, 1e308, 5e-324, 1e400])
_TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["*", "\ud800", "\0", "", "é" * 300, "__proto__", "%s"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


def bodies_like(example: Any) -> st.SearchStrategy[bytes]:
    """Return a source of bodies: any bytes, any JSON, and what is nearly like `example`."""
    near = st.just(example) if not isinstance(example, dict) else _nearly(example)
    text = (VALUES | near).map(lambda value: json.dumps(value).encode())
    return st.binary(max_size=200) | text | st.builds(_spliced, text, st.integers(0, 200), st.binary(max_size=4))


def _nearly(example: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    changed = st.dictionaries(st.sampled_from([*example, "teamId", "more"]), VALUES, max_size=2)
    without = st.sets(st.sampled_from([*example]), max_size=1)
    return st.builds(
        lambda change, gone: {name: value for name, value in {**example, **change}.items() if name not in gone},
        changed,
        without,
    )


def _spliced(text: bytes, position: int, piece: bytes) -> bytes:
    return text[:position] + piece + text[position + len(piece) :]
