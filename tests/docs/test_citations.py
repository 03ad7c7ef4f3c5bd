"""Code cites documentation by page and heading, as in (contract "HTTP API"), and each cited heading exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import headings, read
from tests.docs.sources import ROOT

PAGES = {file.stem: file.relative_to(ROOT).as_posix() for file in (ROOT / "docs").glob("*.md")}
PLACES = ("daemon", "api", "tests", "systemd")
KINDS = {".py", ".html", ".js", ".css", ".toml", ".service", ".socket", ".sh"}
CITATION = re.compile(rf"""\b({"|".join(PAGES)}) ((?:"[^"\n]+"(?:, )?)+)""")
# Where a citation begins: in brackets, or after another one.
BRACKET = re.compile(r"[(;] ?$|\([^()]*[;,] ?$")
# Plans that no reader has.
UNKNOWN = re.compile(r"""\b(?:DESIGN|SPEC|FINDINGS|README) ["']""")
OWN = Path(__file__)


def citations(text: str) -> Iterator[tuple[str, str]]:
    """Yield each cited page and heading; a citation may go over the end of a line, in a comment too."""
    for page, cited in CITATION.findall(joined(text)):
        yield from ((page, heading) for heading in re.findall(r'"([^"]+)"', cited))


def bare_citations(text: str) -> list[str]:
    """Return the citations that do not stand in brackets."""
    text = joined(text)
    return [found[0] for found in CITATION.finditer(text) if not BRACKET.search(text[: found.start()][-200:])]


def joined(text: str) -> str:
    return re.sub(r"\s*\n\s*(?:# )?", " ", text)


def cited() -> set[tuple[str, str, str]]:
    """Return every citation of our code, with the file it is in."""
    return {
        (file.relative_to(ROOT).as_posix(), *found) for file in files() for found in citations(file.read_text("utf-8"))
    }


def files() -> Iterator[Path]:
    for place in PLACES:
        for file in (ROOT / place).rglob("*"):
            if file.suffix in KINDS and "node_modules" not in file.parts and file != OWN:
                yield file


def test_every_cited_heading_exists() -> None:
    known = {(page, heading) for page, path in PAGES.items() for heading in headings(read(path))}
    assert not [found for found in sorted(cited()) if found[1:] not in known]


def test_citations_stand_in_brackets() -> None:
    assert not [f"{file}: {found}" for file in files() for found in bare_citations(file.read_text("utf-8"))]


def test_contract_and_architecture_are_cited() -> None:
    found = [page for _, page, _ in cited()]
    assert found.count("contract") > 100
    assert found.count("architecture") > 10


def test_nothing_cites_what_no_reader_finds() -> None:
    assert not [str(file) for file in files() if UNKNOWN.search(file.read_text("utf-8"))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('(contract "HTTP API")', [("contract", "HTTP API")]),
        ('(contract "A", "B"; RFC 9112)', [("contract", "A"), ("contract", "B")]),
        ('# see (architecture\n    # "The store")', [("architecture", "The store")]),
        ('(RFC 6265 "Cookies")', []),
    ],
)
def test_citations_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(citations(text)) == expected


def test_a_citation_without_brackets_is_found() -> None:
    assert bare_citations('what contract "HTTP API" says (contract "Credits"; architecture "Packages")') == [
        'contract "HTTP API"'
    ]
