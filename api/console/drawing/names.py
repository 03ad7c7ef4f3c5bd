"""Names as people gave them, so that a page shows what is in them and they cannot reorder what stands around them.

What nobody sees (control, format and filling characters, Unicode's Cc, Cf, Zl and Zp) is shown by its code point.
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
    """Return a name for the text of a page, isolated, with its invisible characters shown."""
    shown = (_CODE_POINT.format(ord(sign)) if hidden else Markup.escape(sign) for sign, hidden in _signs(name))
    return _ISOLATED.format(Markup("").join(shown))


def plain(name: str) -> str:
    """Return a name for where there is only text, such as a page's title."""
    return "".join(f"[U+{ord(sign):04X}]" if hidden else sign for sign, hidden in _signs(name))


def _signs(name: str) -> list[tuple[str, bool]]:
    return [(sign, _is_invisible(sign) and not _joins(name, at)) for at, sign in enumerate(name)]


def _is_invisible(sign: str) -> bool:
    return sign in BLANK or unicodedata.category(sign) in _INVISIBLE_CATEGORIES


def _joins(name: str, at: int) -> bool:
    """Whether it makes one picture of two, as in emoji of families."""
    around = (name[at - 1 : at], name[at + 1 : at + 2])
    return name[at] == _JOINER and all(each and unicodedata.category(each) in _JOINED_CATEGORIES for each in around)
