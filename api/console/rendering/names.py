"""Rendering of names that users chose: everything in them is visible, and they cannot reorder the text around them.

Invisible characters (control, format and filler characters, Unicode's Cc, Cf, Zl and Zp) are shown as code points.
"""

import unicodedata

from markupsafe import Markup

from daemon.domain.printable import BLANK

_INVISIBLE_CATEGORIES = ("Cc", "Cf", "Zl", "Zp", "Co", "Cn")
_JOINER = "\u200d"
_JOINED_CATEGORIES = ("So", "Sk", "Mn")
_CODE_POINT = Markup('<span class="code-point">U+{:04X}</span>')
_ISOLATED = Markup("<bdi>{}</bdi>")  # HTML, "The bdi element": its direction ends with it


def named(name: str) -> Markup:
    """Return a name as HTML, isolated, with its invisible characters shown."""
    shown = (_CODE_POINT.format(ord(char)) if hidden else Markup.escape(char) for char, hidden in _characters(name))
    return _ISOLATED.format(Markup("").join(shown))


def plain(name: str) -> str:
    """Return a name as plain text, for example for a page's title."""
    return "".join(f"[U+{ord(char):04X}]" if hidden else char for char, hidden in _characters(name))


def _characters(name: str) -> list[tuple[str, bool]]:
    return [(char, _is_invisible(char) and not _joins_emoji(name, at)) for at, char in enumerate(name)]


def _is_invisible(char: str) -> bool:
    return char in BLANK or unicodedata.category(char) in _INVISIBLE_CATEGORIES


def _joins_emoji(name: str, at: int) -> bool:
    """Whether the character joins two emoji into one, as in families."""
    neighbours = (name[at - 1 : at], name[at + 1 : at + 2])
    return name[at] == _JOINER and all(char and unicodedata.category(char) in _JOINED_CATEGORIES for char in neighbours)
