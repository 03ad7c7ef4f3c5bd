"""What clients and receivers send may hold a NUL, which PostgreSQL's text cannot."""

from dataclasses import replace

from msgspec import structs
from sqlalchemy import select

from daemon.store.commands import CreateTeam
from daemon.store.reads.api_reads import get_delivery
from daemon.store.schema import attempts, teams
from tests.store.filling import AnyDatabase, a_team, accept, found, recording, run


def test_what_cannot_be_there_is_not_found(database: AnyDatabase) -> None:
    with database.reading.connect() as connection:
        assert get_delivery(connection, "\0") is None


def test_what_is_kept_is_legible(postgresql_database: AnyDatabase) -> None:
    run(postgresql_database, CreateTeam(replace(a_team(9), name="A\0B")))
    found(postgresql_database)
    (work,) = accept(postgresql_database, [1])
    failed = recording(work, 1, status=500)
    said = replace(failed.attempt.outcome, error="said \0")
    run(postgresql_database, structs.replace(failed, attempt=replace(failed.attempt, outcome=said)))
    with postgresql_database.reading.connect() as connection:
        assert "A\N{REPLACEMENT CHARACTER}B" in connection.execute(select(teams.c.name)).scalars().all()
        assert connection.execute(select(attempts.c.error)).scalars().all() == ["said \N{REPLACEMENT CHARACTER}"]
