"""The language of filters: what is refused with its place, and what each may cost (contract "Filters")."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.filters.interpreter import FUNCTIONS
from daemon.filters.language import MOST_CHARACTERS, MOST_DEPTH, MOST_PARTS, WrongFilter, compile_filter, document_of
from daemon.filters.steps import MOST_STEPS, Budget, FilterFailed
from tests.docs.sources import ROOT

EVENT = {"event": "linkedin.message.sent", "teamId": "team_1", "timestamp": "2027-01-15T08:00:00.000Z"}
KIB_256 = 256 * 1024


def takes(text: str, data: Any, budget: Budget | None = None) -> bool:
    document = document_of(json.dumps({**EVENT, "data": data}).encode())
    return compile_filter(text).takes(document, budget or Budget(MOST_STEPS))


@pytest.mark.parametrize(
    ("text", "data", "taken"),
    [
        ("data.amount > `10`", {"amount": 11}, True),
        ("data.amount > `10`", {"amount": 10}, False),
        ("data.amount > `10`", {"amount": "11"}, False),
        ("data.amount > `10`", {"amount": True}, False),
        ("data.amount > `10`", {}, False),
        ("data.kind == 'paid' || data.kind == 'open'", {"kind": "open"}, True),
        ('contains(`["paid", "open"]`, data.kind)', {"kind": "late"}, False),
        ("contains(['paid', 'open'], data.kind)", {"kind": "paid"}, True),
        ("starts_with(event, 'linkedin.') && !(data.internal)", {"internal": False}, True),
        ("starts_with(event, 'linkedin.') && !(data.internal)", {"internal": True}, False),
        ("timestamp >= '2027'", {}, True),
        ("teamId == 'team_2'", {}, False),
        ("data.items[?price > `5`]", {"items": [{"price": 4}, {"price": 6}]}, True),
        ("data.items[?price > `5`]", {"items": [{"price": 4}]}, False),
        ("data.items[?price > `5`].name | contains(@, 'x')", {"items": [{"price": 6, "name": "x"}]}, True),
        ("length(data.text) > `2`", {"text": "äöü"}, True),
        ("max_by(data.l, &n).n == `3`", {"l": [{"n": 1}, {"n": 3}]}, True),
        ('data."a-b".c', {"a-b": {"c": 0}}, True),
        ("data.a", {"a": ""}, False),
        ("data.a", {"a": []}, False),
        ("data.a[0:1:0]", {"a": [1]}, False),
        ("data.one == `1`", {"one": True}, False),
    ],
)  # fmt: skip
def test_a_filter_takes_what_its_condition_says(text: str, data: Any, taken: bool) -> None:
    try:
        assert takes(text, data) is taken
    except FilterFailed:
        assert not taken


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("data.amount > 10", "column 15", "write numbers as `10`"),
        ('data.kind == "paid"', "column 14", "write text as 'text'"),
        ("data.ok == true", "column 12", "other values as `10`"),
        ("data.a == `paid`", "column 11", "no JSON"),
        ("data.a == `NaN`", "column 11", "no JSON"),
        ("data.a = 'x'", "column 8", "does not belong"),
        ("data.a ==", "column 10", "ends too early"),
        ("(data.a", "column 8", "ends too early"),
        ("data.a == 'x", "column 11", "quotation"),
        ("sort(data.a)", "column 1", "no function sort()"),
        ("data.a && regex(data.b)", "column 11", "no function regex()"),
        ("length(data.a, data.b)", "column 1", "takes 1 arguments, not 2"),
        ("data.l[?contains(@)]", "column 9", "takes 2 arguments, not 1"),
        ("data.a\n&& amount > `1`", "line 2, column 4", "events have no amount"),
        ("data.a && !data.b", "column 11", "write !(data.name)"),
        ("data.a & data.b", "column 8", "& does not belong here"),
    ],
)
def test_what_is_no_filter_is_refused_with_the_place(text: str, place: str, words: str) -> None:
    with pytest.raises(WrongFilter) as refused:
        compile_filter(text)
    assert str(refused.value).startswith(f"at {place}: ")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        (f"data.a == '{'x' * MOST_CHARACTERS}'", "more than 2,048 characters"),
        ("data" + ".a" * MOST_PARTS, "more than 300"),
        ("||".join(["data.a"] * (MOST_DEPTH + 1)), "nested too deeply"),
        ("(" * 1_000, "nested too deeply"),
        ("!" * 2_000 + "@", "nested too deeply"),
        ("data.a == '\ud800'", "half of a character"),
        (f"`{'[' * 2_000}`", "no JSON"),
    ],
)
def test_a_filter_is_neither_long_nor_deep(text: str, words: str) -> None:
    with pytest.raises(WrongFilter, match=words):
        compile_filter(text)


@given(st.text("data.ab'`\"[]?*@&|!<>=(),:{}0123- \\\n\ud800ü", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_filter_or_refused_in_one_sentence(text: str) -> None:
    said = what_becomes_of(text)
    assert "\n" not in said
    said.encode()


def what_becomes_of(text: str) -> str:
    try:
        return str(takes(text, {"a": [1, "b", None], "b": {"a": 1.5}}))
    except (WrongFilter, FilterFailed) as error:
        return str(error)


def filled(piece: str) -> list[Any] | Any:
    return json.loads(f"[{','.join([piece] * (KIB_256 // (len(piece) + 1)))}]")


LONG = {"numbers": filled("1"), "texts": filled('"a"'), "text": "a" * KIB_256, "middle": "a" * 29_900}
# Each would take long, or much memory, if nothing were counted.
COSTLY = (
    "data.numbers[?@ == `1`]",
    "data.numbers[*][*]",
    "sum(data.numbers)",
    "max(data.texts)",
    "contains(data.numbers, `2`)",
    "data.numbers == data.numbers",
    "[data.numbers, data.numbers][]",
    f"[{','.join(['data.numbers'] * 90)}][]",
    "[data.numbers]" + "|[@, @]" * 50 + "| @ == [@[0], @[1]]",
    "data.numbers" + "|[@, @][]" * 25,
    "data.numbers[::-1]" + "|[::-1]" * 20,
    "||".join([f"contains(data.middle, '{'a' * 25}b')"] * 30),
    "||".join(["contains(data.text, 'aab')"] * 30),
    "map(&[@, @, @], data.numbers)",
    "values(data)[].[@, @]",
)  # fmt: skip


@pytest.mark.parametrize("text", COSTLY)
def test_no_filter_takes_more_than_its_steps(text: str) -> None:
    budget = Budget(MOST_STEPS)
    with pytest.raises(FilterFailed, match=r"more than 4,000 steps"):
        compile_filter(text).takes({**EVENT, "data": LONG}, budget)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("[" + "[]," * 20_000 + "1]", "more than 20,000 objects and arrays"),
        ("1e999", "a number or a text"),
        ('"\\ud800"', "a number or a text"),
    ],
)
def test_an_event_that_is_too_much_for_filters_is_not_read(data: str, words: str) -> None:
    with pytest.raises(FilterFailed, match=words):
        document_of(f'{{"data": {data}}}'.encode())


def test_a_failure_says_why_without_the_values_of_the_event() -> None:
    with pytest.raises(FilterFailed) as failed:
        takes("starts_with(data.a, 'x')", {"a": ["secret"]})
    assert str(failed.value) == "starts_with() got an array where it takes string"


def test_of_two_members_with_one_name_the_last_counts() -> None:
    document = document_of(b'{"event": "a.b", "data": {"a": 1, "a": 2}}')
    assert compile_filter("data.a == `2`").takes(document, Budget(MOST_STEPS))


def test_there_are_the_functions_that_the_contract_names() -> None:
    contract = " ".join((ROOT / "docs" / "contract.md").read_text().split())
    [named] = re.findall(r"There are the functions (.*?)\. Numbers", contract)
    assert set(re.findall(r"`(\w+)`", named)) == FUNCTIONS
