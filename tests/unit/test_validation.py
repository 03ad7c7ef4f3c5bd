"""Values against JSON Schemas, in a process of its own (contract "Event types")."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import orjson
import pytest
import trio

from daemon.actors.threads import thread_runner
from daemon.domain.errors import Overloaded
from daemon.schemas.validation import Group, TooCostly, Validation
from daemon.schemas.validator import Validator


@pytest.fixture
def validation() -> Iterator[Validation]:
    with closing(Validation(cpu_s=0.1)) as validation:
        yield validation


def exponential(depth: int = 60) -> Any:
    """A schema that says the same 2**depth times."""
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for number in range(1, depth):
        definitions[f"d{number}"] = {"allOf": [{"$ref": f"#/$defs/d{number - 1}"}] * 2}
    return {"$defs": definitions, "$ref": f"#/$defs/d{depth - 1}"}


def faults(validation: Validation, schema: Any, *values: Any) -> list[tuple[int, list[str | int], str]]:
    group = Group(
        orjson.dumps(schema), [value if isinstance(value, bytes) else orjson.dumps(value) for value in values]
    )
    return [(fault.value, list(fault.path), fault.words) for fault in validation.faults([group])]


def test_each_value_has_its_faults(validation: Validation) -> None:
    schema = {"required": ["a"], "properties": {"b": {"items": {"type": "integer"}}}}
    assert faults(validation, schema, {"a": 1}, {}, {"a": 1, "b": [1, "x"]}) == [
        (1, ["a"], "is missing"),
        (2, ["b", 1], 'is not of type "integer"'),
    ]


def test_formats_are_checked(validation: Validation) -> None:
    assert faults(validation, {"format": "date-time"}, "2025-07-15T10:30:00Z", "yesterday") == [
        (1, [], 'is not a "date-time"')
    ]


def test_of_a_name_that_is_there_twice_the_last_one_counts(validation: Validation) -> None:
    assert faults(validation, {"properties": {"a": {"const": 2}}}, b'{"a":1,"a":2}') == []


def test_what_uses_up_its_share_of_time_ends_and_the_next_one_is_answered(validation: Validation) -> None:
    for _ in range(2):
        with pytest.raises(TooCostly):
            faults(validation, exponential(), "x")
        assert faults(validation, {"type": "string"}, "x") == []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 250_000 + "b"),
        ({"pattern": "(a|aa)+$"}, "a" * 250_000 + "b"),
        ({"uniqueItems": True}, [[number] for number in range(40_000)]),
    ],
    ids=["nested repetition", "alternatives", "unique items"],
)
def test_the_usual_attacks_take_no_time(schema: Any, value: Any) -> None:
    with closing(Validation(cpu_s=2)) as validation:  # a tenth is enough on a machine that is fast
        faults(validation, schema, value)


def test_a_process_that_was_ended_by_others_is_started_again(validation: Validation) -> None:
    assert faults(validation, True, 1) == []
    assert validation.process_id is not None
    os.kill(validation.process_id, signal.SIGKILL)
    os.waitid(os.P_PID, validation.process_id, os.WEXITED | os.WNOWAIT)
    assert faults(validation, True, 1) == []


def test_a_program_that_cannot_be_started_is_an_overload(
    validation: Validation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.schemas.validation.sys.executable", "/nonexistent/python")
    with pytest.raises(Overloaded):
        faults(validation, True, 1)


async def test_the_loop_goes_on_while_a_value_is_validated() -> None:
    with closing(Validator(thread_runner(1))) as validator:
        answered = trio.Event()

        async def validate() -> None:
            with pytest.raises(TooCostly):
                await validator.faults("team_1", [Group(orjson.dumps(exponential()), [b'"x"'])])
            answered.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(validate)
            turns = 0
            while not answered.is_set():
                await trio.sleep(0.01)
                turns += 1
    assert turns > 3
