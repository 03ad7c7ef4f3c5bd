"""Checks filters when they are set: JMESPath, of a bounded size, that asks an event for what events have."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NoReturn

import orjson
from jmespath.exceptions import IncompleteExpressionError, JMESPathError, LexerError, ParseError
from jmespath.functions import Functions
from jmespath.lexer import Lexer
from jmespath.parser import Parser

from daemon.filters.interpreter import FUNCTIONS, run
from daemon.filters.steps import Budget, FilterFailed

MOST_CHARACTERS, MOST_PARTS, MOST_DEPTH = 2_048, 300, 60
# Each becomes an object of Python: so many take 4 ms and 2 MB.
MOST_CONTAINERS = 20_000
MEMBERS = ("event", "teamId", "timestamp", "data")
_Tree = Any  # of the library: a dict with a type, children and a value
_Tokens = Sequence[Any]
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`((?:\\.|[^`\\])*)`""", re.DOTALL)
# Of these, only the first part is asked of what the whole is asked of; `expref` is asked of something else.
_CHAINS = {"subexpression", "pipe", "index_expression", "projection", "filter_projection", "value_projection"}


class WrongFilter(ValueError):
    """A text is no filter; the message is one sentence with the place."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that was checked."""

    text: str
    tree: _Tree = field(repr=False)

    def takes(self, document: Any, budget: Budget) -> bool:
        """Whether it takes this event, as `document_of` returns it. Raises FilterFailed."""
        return run(self.tree, document, budget)


def document_of(body: bytes) -> Any:
    """Return the event of the body of its deliveries, as filters see it. Raises FilterFailed."""
    if body.count(b"{") + body.count(b"[") > MOST_CONTAINERS:
        raise FilterFailed(f"the event has more than {MOST_CONTAINERS:,} objects and arrays, too many for filters")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise FilterFailed("the event has a number or a text that filters cannot read") from None


def compile_filter(text: str) -> Filter:
    """Return the filter of a text. Raises WrongFilter."""
    if len(text) > MOST_CHARACTERS:
        raise WrongFilter(f"has more than {MOST_CHARACTERS:,} characters")
    if not text.strip():
        raise WrongFilter("is empty: null means no filter")
    if not text.isascii() and text != _shown(text, len(text)):
        raise WrongFilter("has half of a character, which no text can be")
    _check_literals(text)
    try:
        tokens = list(Lexer().tokenize(text))
        _check_functions(text, tokens)
        tree = Parser().parse(text).parsed
    except (ParseError, JMESPathError) as error:
        _refuse(text, error)
    except RecursionError:
        raise WrongFilter("is nested too deeply") from None
    finally:
        Parser.purge()  # it keeps what it parsed for the whole process
    _check_size(tree)
    _check_arguments(text, tokens, tree)
    _check_members(text, tokens, tree)
    _check_negations(text, tokens, tree)
    return Filter(text, tree)


def _check_literals(text: str) -> None:
    """The library takes a literal that is no JSON for a text, with a warning: it is refused."""
    for found in _QUOTED.finditer(text):
        if (literal := found[1]) is None:
            continue
        try:
            json.loads(literal.replace("\\`", "`"), parse_constant=_no_json)
        except (ValueError, RecursionError):
            _wrong(text, found.start(), "what is between backticks is no JSON: write text as 'text'")


def _no_json(_name: str) -> NoReturn:
    raise ValueError


def _check_functions(text: str, tokens: _Tokens) -> None:
    for token in _called(tokens):
        name = token["value"]
        if name not in FUNCTIONS:
            allowed = ", ".join(sorted(FUNCTIONS))
            _wrong(text, token["start"], f"there is no function {name[:50]}() for filters, only {allowed}")


def _called(tokens: _Tokens) -> Iterator[_Tree]:
    """Yield the names of functions, in the order of their calls."""
    for token, following in pairwise(tokens):
        if token["type"] == "unquoted_identifier" and following["type"] == "lparen":
            yield token


def _check_size(tree: _Tree) -> None:
    waiting, count = [(tree, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > MOST_DEPTH:
            raise WrongFilter(f"is nested too deeply: at most {MOST_DEPTH} levels, of which each `||` and `&&` is one")
        if count > MOST_PARTS:
            raise WrongFilter(f"has more than {MOST_PARTS} names, values and operators")
        waiting += [(child, depth + 1) for child in _children(node)]


def _children(node: _Tree) -> list[_Tree]:
    return [child for child in node["children"] if isinstance(child, dict)]


def _check_arguments(text: str, tokens: _Tokens, tree: _Tree) -> None:
    """Each function has as many arguments as it takes."""
    calls = [node for node in _in_order(tree) if node["type"] == "function_expression"]
    for token, node in zip(_called(tokens), calls, strict=True):
        signature, given = Functions.FUNCTION_TABLE[node["value"]]["signature"], len(node["children"])
        is_variadic = bool(signature) and signature[-1].get("variadic", False)
        if given < len(signature) or (given > len(signature) and not is_variadic):
            least = "at least " if is_variadic else ""
            _wrong(text, token["start"], f"{node['value']}() takes {least}{len(signature)} arguments, not {given}")


def _in_order(tree: _Tree) -> Iterator[_Tree]:
    """Yield all nodes, each before its children, in the order of the text."""
    yield tree
    children = _children(tree)
    if tree["type"] == "filter_projection":  # the condition stands before what is asked of its elements
        children = [children[0], children[2], children[1]]
    for child in children:
        yield from _in_order(child)


def _check_members(text: str, tokens: _Tokens, tree: _Tree) -> None:
    """What is asked of the event itself is something that events have."""
    wrong = next((name for name in _asked_of_event(tree) if name not in MEMBERS), None)
    if wrong is None:
        return
    places = [token["start"] for token in tokens if token["type"].endswith("identifier") and token["value"] == wrong]
    reason = f"events have no {_shown(wrong)}, only {', '.join(MEMBERS)}: write text as 'text' and other values as `10`"
    _wrong(text, places[0] if places else 0, reason)


def _asked_of_event(node: _Tree) -> Iterator[str]:
    if node["type"] == "field":
        yield node["value"]
    elif node["type"] in _CHAINS:
        yield from _asked_of_event(node["children"][0])
    elif node["type"] != "expref":
        for child in _children(node):
            yield from _asked_of_event(child)


def _check_negations(text: str, tokens: _Tokens, tree: _Tree) -> None:
    """In this language `!a.b` asks `!a` for its `b`, which there never is: nobody means it."""
    nodes = (node for node in _in_order(tree) if node["type"] in _CHAINS - {"pipe"})
    if any(node["children"][0]["type"] == "not_expression" for node in nodes):
        place = next(token["start"] for token in tokens if token["type"] == "not")
        _wrong(text, place, "! belongs to the name behind it alone: write !(data.name)")


def _refuse(text: str, error: Exception) -> NoReturn:
    if isinstance(error, LexerError):
        _wrong(text, error.lexer_position, "here is a character or a quotation that does not belong there")
    if isinstance(error, IncompleteExpressionError) or (isinstance(error, ParseError) and not error.token_value):
        _wrong(text, len(text), "it ends too early")
    if isinstance(error, ParseError):
        is_number = isinstance(error.token_value, int)
        hint = ": write numbers as `10`" if is_number else ""
        _wrong(text, error.lex_position, f"{_shown(error.token_value)} does not belong here{hint}")
    raise WrongFilter("is no JMESPath expression") from None


def _shown(part: object, length: int = 50) -> str:
    """Return a part of a filter as messages have it: short, and without halves of characters."""
    return str(part)[:length].encode(errors="replace").decode()


def _wrong(text: str, position: int, reason: str) -> NoReturn:
    before = text[:position]
    line, column = before.count("\n") + 1, position - before.rfind("\n")
    place = f"line {line}, column {column}" if "\n" in text else f"column {column}"
    raise WrongFilter(f"at {place}: {reason}") from None
