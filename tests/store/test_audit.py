"""The audit trail is kept with each change, on both engines (contract "Audit trail")."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from daemon.domain.audit import AuditAction, AuditEntry
from daemon.domain.model import TeamEdit
from daemon.store.commands import Audited, CreateTeam, KeepEntry, SaveTeam, SaveWebhook
from daemon.store.reads import api_reads
from daemon.store.writes import audit
from daemon.store.writes.batch import run_batch
from tests.store.filling import AnyDatabase, a_team, a_webhook, an_audit_entry, found, run


@pytest.fixture(autouse=True)
def with_a_team_and_a_webhook(database: AnyDatabase) -> None:
    found(database)


def entries(database: AnyDatabase, team_id: str = "team_1") -> list[AuditEntry]:
    with database.reading.connect() as connection:
        return list(api_reads.list_audit_entries(connection, team_id, 200).items)


def about_team(entry: AuditEntry) -> AuditEntry:
    return structs.replace(entry, action=AuditAction.TEAM_CHANGED, subject_id="team_1")


def changes(database: AnyDatabase) -> Mapping[str, Any]:
    return entries(database)[0].changes


def test_an_entry_tells_what_became_of_each_field(database: AnyDatabase) -> None:
    entry = about_team(an_audit_entry("wh_1"))
    run(database, Audited(SaveTeam("team_1", TeamEdit(name="New", notification_emails=("a@b.example",))), entry))
    [kept] = entries(database)
    assert kept == structs.replace(entry, changes=kept.changes)
    assert kept.changes == {
        "name": {"from": "Team 1", "to": "New"},
        "notificationEmails": {"from": ["ops@example.com"], "to": ["a@b.example"]},
    }


def test_what_stays_as_it_is_is_not_in_an_entry(database: AnyDatabase) -> None:
    run(database, Audited(SaveTeam("team_1", TeamEdit(name="Team 1")), about_team(an_audit_entry("wh_1"))))
    assert changes(database) == {}


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (None, "sealed", {"from": None, "to": "set"}),
        ("sealed", "sealed anew", {"from": "set", "to": "replaced"}),
        ("sealed", None, {"from": "set", "to": None}),
    ],
)
def test_no_secret_is_in_an_entry_not_even_sealed(
    database: AnyDatabase, before: str | None, after: str | None, shown: Mapping[str, Any]
) -> None:
    run(database, SaveWebhook(replace(a_webhook(), secret=before)))
    run(database, Audited(SaveWebhook(replace(a_webhook(), secret=after)), an_audit_entry("wh_1")))
    assert changes(database) == {"secret": shown}


def test_a_refused_change_leaves_no_entry(database: AnyDatabase) -> None:
    [error] = run_batch(database, [Audited(CreateTeam(a_team(1)), about_team(an_audit_entry("wh_1")))])
    assert isinstance(error, Exception)
    assert entries(database) == []


def test_a_team_keeps_its_newest_entries_and_no_others_lose_any(
    database: AnyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "KEPT_PER_TEAM", 10)
    run(database, KeepEntry(an_audit_entry("wh_other", "team_other")))
    made = [an_audit_entry(f"wh_{number}") for number in range(200)]
    run_batch(database, [KeepEntry(entry) for entry in made])
    kept = [entry.subject_id for entry in entries(database)]
    assert kept == [entry.subject_id for entry in reversed(made)][: len(kept)]
    assert 10 <= len(kept) < 10 + 64
    assert [entry.subject_id for entry in entries(database, "team_other")] == ["wh_other"]
