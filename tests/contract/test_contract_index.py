"""Every promise of the product's page and of the contract has a test, named in `product.toml` and `contract.toml`."""

import ast
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.contract.documents import Promise, promises_in

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = REPOSITORY / "docs"


@dataclass(frozen=True)
class Index:
    """One index, and the document that it is of."""

    name: str
    document: str

    def read(self) -> dict[str, Any]:
        return tomllib.loads((Path(__file__).parent / self.name).read_text("utf-8"))

    def promises(self) -> list[Promise]:
        return [Promise(entry["section"], entry["says"]) for entry in self.read()["promises"]]


INDEXES = (Index("product.toml", "product.txt"), Index("contract.toml", "contract.md"))
of_each = pytest.mark.parametrize("index", INDEXES, ids=lambda index: index.name)


@of_each
def test_every_promise_has_tests_and_they_exist(index: Index) -> None:
    for entry in index.read()["promises"]:
        assert entry["tests"], f"nothing keeps: {entry['says']}"
        missing = [test for test in entry["tests"] if test not in _tests_in(test.partition("::")[0])]
        assert not missing, f"{entry['says']!r} names tests that are not there"


@of_each
def test_no_promise_and_no_test_of_a_promise_is_listed_twice(index: Index) -> None:
    assert [promise for promise, count in Counter(index.promises()).items() if count > 1] == []
    for entry in index.read()["promises"]:
        assert len(set(entry["tests"])) == len(entry["tests"]), entry["says"]


@of_each
def test_every_promise_of_the_document_is_in_its_index_and_nothing_else(index: Index) -> None:
    listed = index.read()
    said = list(promises_in((DOCUMENTS / index.document).read_text("utf-8"), listed.get("headings", ())))
    aside = listed["not_promises"]
    assert [promise for promise in said if promise.says not in aside] == index.promises()
    assert [text for text in aside if text not in {promise.says for promise in said}] == []


@pytest.mark.parametrize(
    ("text", "promises"),
    [
        ("# A\nOne. Two\nlines.", ["One.", "Two lines."]),
        ("- one, e.g. this;\n  and on\n- two", ["one, e.g. this; and on", "two"]),
        ("| head | er |\n|---|---|\n| a | Row. With two |\n| b | c |", ["| a | Row.", "With two |", "| b | c |"]),
        ("```toml\n[a]\nb = 1 # Why. So\n```\nAfter.", ["[a]", "b = 1 # Why.", "So", "After."]),
        ("below 0. With\n2. second", ["below 0.", "With", "second"]),
        ("A\n\nSaid.", ["Said."]),
    ],
)
def test_a_document_is_taken_apart_into_sentences_rows_and_lines(text: str, promises: list[str]) -> None:
    assert [promise.says for promise in promises_in(text, {"A"})] == promises


@cache
def _tests_in(path: str) -> frozenset[str]:
    file = REPOSITORY / path
    if not file.is_file():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = ast.parse(file.read_text("utf-8")).body
    return frozenset(f"{path}::{node.name}" for node in nodes if isinstance(node, functions))
