"""Text of others on a terminal."""

import json

import pytest

from daemon.domain.printable import printable, printable_json

STEERING = [
    *map(chr, [*range(32), *range(0x7F, 0xA0)]),
    *"\u034f\u115f\u1160\u17b4\u2800\u3164\uffa0",
    *"\u200e\u200f\u061c\u2028\u2029\u200b\u2060\ufeff",
    *map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]),
]


@pytest.mark.fault(
    "Control and bidirectional characters in names, answers and payloads",
    "A terminal gets them as text, as `\\x1b` or `\\u202e`",
)
def test_what_steers_or_reorders_is_escaped() -> None:
    for character in STEERING:
        shown = printable(f"a{character}b")
        assert shown.isprintable()
        assert shown != "ab"
    assert printable("\x1b[2J\u202egpj\x85") == "\\x1b[2J\\u202egpj\\x85"


@pytest.mark.parametrize("text", ["Größe", "株式会社", "می‌خواهم", "👨‍👩‍👧", "a\N{NO-BREAK SPACE}b", "שלום"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert printable_json(json.dumps(text, ensure_ascii=False)) == json.dumps(text, ensure_ascii=False)


def test_json_stays_the_same_value() -> None:
    value = {"a\u202eb": ["\x7f\x9b\u2028", "\U000e0041", "\x00\r\n\t", "ü"]}
    text = json.dumps(value, ensure_ascii=False, indent="\t").replace("\n", "\r\n")
    shown = printable_json(text)
    assert json.loads(shown) == value
    assert all(c.isprintable() or c in "\n\t" for c in shown)
