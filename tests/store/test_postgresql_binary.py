"""Values in binary form are for the server what psycopg's own adaptation of them is."""

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.store.postgresql import binary
from daemon.store.postgresql.exchange import Exchange, Statement
from tests.support.postgresql import PostgresqlServer

EXAMPLES = settings(
    max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
BIGINTS = st.integers(-(2**63), 2**63 - 1)
INTEGERS = st.integers(-(2**31), 2**31 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ENCODE: Mapping[str, binary.Encode] = {
    "bigint": binary.bigints,
    "integer": binary.integers,
    "boolean": binary.booleans,
    "text": binary.texts,
    "bytea": binary.byte_strings,
}
READ = {name: Statement(f"SELECT $1::{name}[]") for name in ENCODE}
COLUMNS = {"bigint": BIGINTS, "integer": INTEGERS, "boolean": st.booleans(), "text": TEXTS, "bytea": st.binary()}


@pytest.fixture(scope="module")
def exchange(postgresql: tuple[PostgresqlServer, str]) -> Iterator[Exchange]:
    server, template = postgresql
    with server.database(template) as address, address.connect({}, autocommit=True) as connection:
        yield Exchange(connection)


def taken_by_the_server(exchange: Exchange, name: str, values: list[Any]) -> Any:
    [result] = exchange.carry_out([(READ[name], (ENCODE[name](values),))])
    [(array,)] = exchange.rows_of(result)
    return array


def taken_from_psycopg(exchange: Exchange, name: str, values: list[Any]) -> Any:
    [array] = exchange.connection.execute(f"SELECT %s::{name}[]".encode(), [values]).fetchone() or [None]
    return array


@EXAMPLES
@given(st.data())
@pytest.mark.parametrize("name", COLUMNS)
def test_an_array_is_what_psycopg_would_have_sent(exchange: Exchange, name: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | COLUMNS[name], max_size=12))
    expected = taken_from_psycopg(exchange, name, [without_nul(value) for value in values])
    assert taken_by_the_server(exchange, name, values) == expected


def without_nul(value: Any) -> Any:
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


@pytest.mark.parametrize("name", COLUMNS)
def test_an_array_may_be_empty_or_hold_nothing_but_null(exchange: Exchange, name: str) -> None:
    assert taken_by_the_server(exchange, name, []) == []
    assert taken_by_the_server(exchange, name, [None, None]) == [None, None]


def test_a_boolean_may_be_given_as_a_number(exchange: Exchange) -> None:
    assert taken_by_the_server(exchange, "boolean", [0, 1, None, True]) == [False, True, None, True]


@EXAMPLES
@given(number=BIGINTS, small=INTEGERS, words=TEXTS)
def test_a_single_value_is_itself(exchange: Exchange, number: int, small: int, words: str) -> None:
    values = (binary.bigint(number), binary.integer(small), binary.text(words))
    [result] = exchange.carry_out([(SINGLE, values)])
    assert exchange.rows_of(result) == [(number, small, without_nul(words))]


SINGLE = Statement("SELECT $1::bigint, $2::integer, $3::text")


@pytest.mark.parametrize(
    ("encode", "value"),
    [
        (binary.bigints, [1, 2**63]),
        (binary.integers, [-(2**31) - 1]),
        (binary.integers, ["1"]),
        (lambda value: binary.bigint(value[0]), [2**63]),
        (lambda value: binary.integer(value[0]), [2**31]),
    ],
)
def test_a_number_that_the_type_cannot_hold_is_refused(encode: Any, value: list[Any]) -> None:
    with pytest.raises(psycopg.DataError, match="cannot hold"):
        encode(value)
