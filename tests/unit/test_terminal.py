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


def test_what_looks_empty_is_shown_and_what_is_to_be_kept_stays() -> None:
    assert printable("a\u3164b\u2800") == r"a\u3164b\u2800"
    assert printable("a\tb\n\x1b", keep="\n\t") == "a\tb\n\\x1b"
    assert printable("a\n") == r"a\n"


def test_json_keeps_its_value_whatever_is_in_its_strings() -> None:
    for harmful in ("\x7f", "\x9b", "\u202e", "\ud800", "\U000e0041", "\u3164"):
        shown = printable_json(f'"a{harmful}b"')
        assert shown.isascii()
        assert shown.isprintable()
        assert json.loads(shown) == f"a{harmful}b"
    assert printable_json('{\n\t"a": 1}\x1b') == '{\n\t"a": 1}\\u001b'
