"""Every relative link and every anchor of README and the pages leads somewhere, and the index lists every page."""

import posixpath
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import headings, pages, read, section
from tests.docs.sources import ROOT

INDEX = "docs/index.md"
LINK = re.compile(r"\]\(([^()\s]*)\)")
# Links of HTML would be followed by nobody.
HTML_LINK = re.compile(r"<(?:a|img)\b")


def links(text: str) -> Iterator[str]:
    """Yield the targets of the links and pictures of a page, but for those outside of the repository."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (target for target in LINK.findall(prose) if "://" not in target)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them: the second of a name gets "-1"."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in headings(text):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def broken(page: str, target: str, root: Path = ROOT) -> bool:
    """Whether a link on this page, below `root`, leads nowhere."""
    path, _, anchor = target.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    if file.startswith("..") or not (root / file).exists():
        return True
    return bool(anchor) and not (file.endswith(".md") and anchor in anchors(read(file)))


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page: str) -> None:
    assert not [target for target in links(read(page)) if broken(page, target)]
    assert not HTML_LINK.search(read(page))


def test_every_link_leads_somewhere_where_the_pages_are_installed_too(tmp_path: Path) -> None:
    subprocess.run([ROOT / "systemd/copy-docs", tmp_path], check=True)
    installed = [page for page in pages() if (tmp_path / page).read_text("utf-8") == read(page)]
    assert installed == pages()
    assert not [(page, one) for page in installed for one in links(read(page)) if broken(page, one, tmp_path)]


def test_the_links_of_every_page_are_found() -> None:
    assert sum(1 for page in pages() for _ in links(read(page))) > 250
    assert "docs/index.md" in set(links(read("README.md")))


def test_the_index_lists_every_page_once() -> None:
    listed = [target for target in links(section(INDEX, "Pages")) if target.endswith(".md")]
    wanted = [posixpath.relpath(page, "docs") for page in pages() if page != INDEX]
    assert sorted(listed) == sorted(wanted)


@pytest.mark.parametrize(
    "target",
    ["missing.md", "#missing", "http-api.md#missing", "../README.md#the-console", "../../README.md", "console/x.png"],
)
def test_a_link_that_leads_nowhere_is_found(target: str) -> None:
    assert [found for found in links(f"See [it]({target}).") if broken(INDEX, found)] == [target]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("## Exit codes", {"exit-codes"}),
        ("# `a_b`, c: d-e?", {"a_b-c-d-e"}),
        ("# A\n## A", {"a", "a-1"}),
        ("```sh\n# no heading\n```", set()),
    ],
)
def test_anchors_are_made_as_github_makes_them(text: str, expected: set[str]) -> None:
    assert anchors(text) == expected
