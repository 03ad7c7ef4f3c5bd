"""The contract's documents, taken apart into single promises: sentences, rows of tables, lines of code."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_TABLE_HEAD = re.compile(r"^\|.*\n\|[-| ]+\n", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z`*])")
_BULLET = re.compile(r"^\s*(?:- |• |\d+\. )\s*")
_HEADING = re.compile(r"^#.*$", re.MULTILINE)


@dataclass(frozen=True)
class Promise:
    """One sentence, row or line, its white space collapsed, and the heading that it stands under."""

    section: str
    says: str


def promises_in(text: str, headings: Collection[str] = ()) -> Iterator[Promise]:
    """Yield all that a document says, in order. A heading begins with `#`, or is one of `headings`."""
    section = ""
    for block in _blocks(_HEADING.sub(r"\g<0>\n", _TABLE_HEAD.sub("", text))):
        if block.startswith("#") or block in headings:
            section = block.lstrip("# ")
        else:
            yield from (Promise(section, sentence) for sentence in _SENTENCE_END.split(block))


def _blocks(text: str) -> Iterator[str]:
    """Yield each heading, paragraph, item of a list, row of a table and line of code, without its line breaks."""
    lines: list[str] = []
    in_code = False
    for line in [*text.splitlines(), ""]:
        is_fence = line.startswith("```")
        in_code ^= is_fence
        if lines and (in_code or is_fence or not line.strip() or line[0] in "#|" or _BULLET.match(line)):
            yield " ".join(" ".join(lines).split())
            lines.clear()
        if not is_fence and line.strip():
            lines.append(_BULLET.sub("", line, count=1) if not in_code else line)
