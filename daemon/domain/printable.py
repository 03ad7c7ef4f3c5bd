"""Untrusted text on a terminal: nothing in it moves the cursor, changes colours or reorders what is shown.

Escaped are control characters (C0, DEL, C1), line and paragraph separators, and those that nobody can see, the
bidirectional controls among them (Unicode Standard Annex 9). What scripts need to be written (ZWNJ, ZWJ, variation
selectors) stays.
"""

import re
import unicodedata

_NEEDED = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")
# Invisible letters, marks and symbols (Unicode: Default_Ignorable_Code_Point, and the empty Braille pattern).
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Non-ASCII characters are checked one by one: few characters in few texts are harmful.
_SUSPECT = re.compile(r"[^\x20-\x7e]")


def printable(text: str, keep: str = "") -> str:
    r"""Return `text` with harmful characters but those in `keep` as `\x1b` or `\u202e`."""
    if text.isascii() and text.isprintable():
        return text

    def shown(found: re.Match[str]) -> str:
        return found[0] if found[0] in keep or is_harmless(found[0]) else ascii(found[0])[1:-1]

    return _SUSPECT.sub(shown, text)


def in_one_line(message: object) -> str:
    """Return a message, such as a database's, which may quote anything, as one printable line."""
    return printable(" ".join(str(message).split()))


def printable_json(text: str) -> str:
    r"""Return a JSON text with harmful characters as `\u202e`, and so with the same value.

    Outside of strings JSON has none of them but white space.
    """
    return _SUSPECT.sub(_json_escaped, text)


def is_harmless(character: str) -> bool:
    """Whether the character may be shown: it can be seen, or is a space, or needed within words."""
    if character.isprintable():
        return character not in BLANK
    return unicodedata.category(character) == "Zs" or character in _NEEDED


def is_visible(character: str) -> bool:
    """Whether the character can be seen by itself: a letter, a digit, punctuation or a symbol."""
    return unicodedata.category(character)[0] in "LNPS" and is_harmless(character)


def one_line(text: str, limit: int) -> str:
    """Return `text` in one line of at most `limit` characters, without control or invisible characters."""
    shown = " ".join("".join(c if is_harmless(c) else " " for c in text).split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _json_escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character in "\n\t" or is_harmless(character):
        return character
    if character == "\r":
        return " "
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
