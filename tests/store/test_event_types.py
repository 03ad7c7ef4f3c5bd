"""Event types that are added while the daemon runs, on both engines (contract "Event types")."""

from typing import Any

import pytest
from sqlalchemy import text

from daemon.domain.errors import EventTypeExists, TooManyEventTypes, TooManyVersions, VersionConflict
from daemon.domain.event_types import MOST_TYPES, MOST_VERSIONS, EventTypeEdit
from daemon.store.event_type_commands import AddEventType, AddEventTypeVersion, RemoveEventType, SaveEventType
from daemon.store.reads import event_type_reads
from tests.store.filling import NOW, AnyDatabase, an_event_type, count, run

NAME = "prospect.scored"
LATER = NOW + 1_000


@pytest.fixture(autouse=True)
def added(database: AnyDatabase) -> None:
    run(database, AddEventType(an_event_type(NAME), NOW))


def read(database: AnyDatabase, query: Any, *args: Any) -> Any:
    with database.reading.connect() as connection:
        return query(connection, *args)


def test_a_name_is_taken_once(database: AnyDatabase) -> None:
    with pytest.raises(EventTypeExists):
        run(database, AddEventType(an_event_type(NAME), LATER))
    assert count(database, "event_type_versions") == 1


def test_it_is_read_with_its_newest_schema(database: AnyDatabase) -> None:
    run(database, AddEventType(an_event_type("a.bare", schema=None), NOW))
    saved = run(database, AddEventTypeVersion(NAME, b'{"a": 1}', example=b'{"b":2}', after=1, now=LATER))
    found = read(database, event_type_reads.added_types, "", 10)
    assert ([one.name for one in found.items], found.behind) == (["a.bare", NAME], None)
    assert found.items[1] == saved
    assert (saved.version, saved.schema, saved.example) == (2, b'{"a": 1}', {"b": 2})
    assert (found.items[0].version, found.items[0].schema) == (None, None)
    assert read(database, event_type_reads.types_named, [NAME, "none.such"]) == [saved]
    assert [one.schema for one in read(database, event_type_reads.list_versions, NAME, 5, None)] == [b'{"a": 1}', b"{}"]


def test_a_version_that_was_checked_against_an_older_one_is_refused(database: AnyDatabase) -> None:
    version = AddEventTypeVersion(NAME, b"true", example=None, after=1, now=LATER)
    assert run(database, version).version == 2
    with pytest.raises(VersionConflict):
        run(database, version)


def test_what_is_deprecated_keeps_the_time_since_when(database: AnyDatabase) -> None:
    for now in (LATER, LATER + 1):
        saved = run(database, SaveEventType(NAME, EventTypeEdit(deprecated=True), now))
        assert saved is not None
        assert (saved.deprecated_at, saved.archived_at) == (LATER, None)
    saved = run(database, SaveEventType(NAME, EventTypeEdit(deprecated=False, archived=True), LATER + 2))
    assert saved is not None
    assert (saved.deprecated_at, saved.archived_at, saved.updated_at) == (None, LATER + 2, LATER + 2)


def test_one_that_is_not_there_is_neither_changed_nor_removed(database: AnyDatabase) -> None:
    assert run(database, SaveEventType("none.such", EventTypeEdit(validate=True), NOW)) is None
    assert run(database, AddEventTypeVersion("none.such", b"{}", example=None, after=None, now=NOW)) is None
    assert run(database, RemoveEventType("none.such")) is False
    assert run(database, RemoveEventType(NAME)) is True
    assert (count(database, "event_types"), count(database, "event_type_versions")) == (0, 0)


def test_there_are_so_many_at_most(database: AnyDatabase) -> None:
    with database.writer.begin():
        rows = [{"name": f"a.n{number}"} for number in range(MOST_TYPES - 1)]
        insert = "INSERT INTO event_types VALUES (:name, 'd', 'c', '{}', false, NULL, NULL, NULL, 1, 1)"
        database.writer.execute(text(insert), rows)
    with pytest.raises(TooManyEventTypes):
        run(database, AddEventType(an_event_type("one.more"), NOW))


def test_one_has_so_many_versions_at_most(database: AnyDatabase) -> None:
    with database.writer.begin():
        database.writer.execute(text(f"UPDATE event_types SET version = {MOST_VERSIONS}"))
    with pytest.raises(TooManyVersions):
        run(database, AddEventTypeVersion(NAME, b"{}", example=None, after=MOST_VERSIONS, now=NOW))
