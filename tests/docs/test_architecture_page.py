"""docs/architecture.md: the map is made from the tree, the diagrams from the states that there are."""

import re

import pytest

from daemon.domain.model import CancelReason, DeliveryStatus, DisabledReason
from tests.docs.map_page import OTHERS, first_sentence, map_in, render
from tests.docs.pages import only_block, read, section, table
from tests.docs.sources import ROOT, sources

PAGE = "docs/architecture.md"


def test_the_map_is_what_the_modules_say() -> None:
    assert map_in(read(PAGE)) == render(), "the tree has changed: .venv/bin/python -m tests.docs.map_page --write"


def test_every_module_is_in_the_map_once() -> None:
    listed = re.findall(r"^\| `([\w/]+\.py)` \| (?:[^|\\]|\\.)* \|$", map_in(read(PAGE)), re.MULTILINE)
    modules = [one.path for one in sources("daemon", "api") if not one.path.endswith("/__init__.py")]
    assert sorted(listed) == sorted(modules)


def test_every_package_has_a_line() -> None:
    listed = re.findall(r"^\| (?:\[`([\w/]+)`\]\(#\w+\)|`([\w/]+)`) \|", map_in(read(PAGE)), re.MULTILINE)
    packages = {source.path.rpartition("/")[0] for source in sources("daemon", "api")}
    assert packages <= {package or other for package, other in listed}


def test_the_packages_of_the_diagram_exist() -> None:
    diagram = only_block(section(PAGE, "Packages"), "mermaid")
    named = re.findall(r"\b(?:daemon|api)(?:/[\w.]+)*", "".join(re.findall(r'"([^":]+)', diagram)))
    assert "daemon/store" in named
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("path", OTHERS)
def test_what_has_a_line_of_its_own_has_no_docstring(path: str) -> None:
    there = ROOT / path
    assert there.exists()
    assert not (there / "__init__.py").exists()
    assert there.is_dir() or '"""' not in there.read_text("utf-8")


def test_the_states_of_a_delivery_are_those_that_there_are() -> None:
    diagram = section(PAGE, "The states of a delivery")
    assert set(re.findall(r"--> (\w+):", diagram)) == set(DeliveryStatus)
    assert set(re.findall(r"webhook_\w+|requested|erased|expired$", diagram, re.MULTILINE)) == set(CancelReason)


def test_the_reasons_of_a_disabling_are_those_that_there_are() -> None:
    assert set(re.findall(r"\((\w+)\)", section(PAGE, "The states of a webhook"))) == set(DisabledReason)


def test_each_question_has_an_answer() -> None:
    rows = table(section(PAGE, "Where each rule lives"))
    assert len(rows) >= 25
    assert not [question for question, answer in rows if not re.search(r"[\w/]+\.py\b", answer)]


@pytest.mark.parametrize(
    ("docstring", "line"),
    [
        ("One thing. And another.", "One thing."),
        ('Over two\nlines (contract "HTTP API", 4).\n\nMore.', "Over two lines."),
        ("HTTP/1.1 as `a.b` says it: nothing else", "HTTP/1.1 as `a.b` says it: nothing else"),
    ],
)
def test_a_line_is_the_first_sentence_without_its_citation(docstring: str, line: str) -> None:
    assert first_sentence(docstring) == line
