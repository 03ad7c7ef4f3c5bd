"""The audit trail is kept with each change, on both engines (contract "Audit trail")."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from daemon.domain.audit import AuditAction, AuditEntry
from daemon.domain.model import ApiKey, TeamEdit
from daemon.store.commands import (
    AddKey,
    AddPortalLink,
    Audited,
    Command,
    CreateTeam,
    KeepEntry,
    Resend,
    RevokeKey,
    RevokePortalLink,
    SaveTeam,
    SaveWebhook,
    UsePortalLink,
)
from daemon.store.reads import api_reads
from daemon.store.writes import audit
from daemon.store.writes.batch import run_batch
from tests.store.filling import NOW, AnyDatabase, a_portal_link, a_team, a_webhook, an_audit_entry, count, found, run


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


def test_a_name_that_looks_like_a_list_is_a_name(database: AnyDatabase) -> None:
    for name in ("[prod] CRM", "[1]"):
        run(database, Audited(SaveTeam("team_1", TeamEdit(name=name)), about_team(an_audit_entry("wh_1"))))
        assert changes(database)["name"]["to"] == name


def test_what_stays_as_it_is_is_not_in_an_entry(database: AnyDatabase) -> None:
    run(database, Audited(SaveTeam("team_1", TeamEdit(name="Team 1")), about_team(an_audit_entry("wh_1"))))
    assert changes(database) == {}


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (None, "sealed", {"secret": {"from": None, "to": "set"}}),
        ("sealed", None, {"secret": {"from": "set", "to": None}}),
        ("sealed", "sealed anew", {}),  # the same one, maybe, under another key: whoever replaces it says so
    ],
)
def test_no_secret_is_in_an_entry_not_even_sealed(
    database: AnyDatabase, before: str | None, after: str | None, shown: Mapping[str, Any]
) -> None:
    run(database, SaveWebhook(replace(a_webhook(), secret=before)))
    run(database, Audited(SaveWebhook(replace(a_webhook(), secret=after)), an_audit_entry("wh_1")))
    assert changes(database) == shown


def test_what_the_store_cannot_see_is_told_by_whoever_changes_it(database: AnyDatabase) -> None:
    replaced = {"secret": {"from": "set", "to": "replaced"}}
    entry = structs.replace(an_audit_entry("wh_1"), changes=replaced)
    run(database, SaveWebhook(replace(a_webhook(), secret="sealed")))
    run(database, Audited(SaveWebhook(replace(a_webhook(), secret="sealed anew")), entry))
    assert changes(database) == replaced


def test_a_refused_change_leaves_no_entry(database: AnyDatabase) -> None:
    [error] = run_batch(database, [Audited(CreateTeam(a_team(1)), about_team(an_audit_entry("wh_1")))])
    assert isinstance(error, Exception)
    assert entries(database) == []


def test_what_does_nothing_leaves_no_entry(database: AnyDatabase) -> None:
    commands: tuple[Command[Any], ...] = (
        SaveTeam("team_x", TeamEdit(name="New")),
        Resend("dlv_x", "dlv_new", NOW),
        RevokeKey("key_x", NOW),
        RevokePortalLink("plk_x", NOW),
    )
    for command in commands:
        assert not run(database, Audited(command, an_audit_entry("wh_1"))), command
    assert entries(database) == []


def test_what_is_done_once_leaves_one_entry_however_close_together_it_is_asked_for(database: AnyDatabase) -> None:
    run(database, AddKey(ApiKey("key_1", "team_1", "CI", NOW), b"digest"))
    run(database, AddPortalLink(a_portal_link(), b"digest", 0))
    for command in (RevokeKey("key_1", NOW), UsePortalLink("plk_1", NOW), RevokePortalLink("plk_1", NOW)):
        before = len(entries(database))
        assert run_batch(database, [Audited(command, an_audit_entry("wh_1")) for _ in range(3)]) == [True, False, False]
        assert len(entries(database)) == before + 1, command


def test_a_team_keeps_its_newest_entries_and_no_others_lose_any(
    database: AnyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "KEPT_PER_TEAM", 10)
    run(database, KeepEntry(an_audit_entry("wh_other", "team_other")))
    made = [an_audit_entry(f"wh_{number}") for number in range(200)]
    run_batch(database, [KeepEntry(entry) for entry in made])
    kept = [entry.subject_id for entry in entries(database)]
    assert kept == [entry.subject_id for entry in made[:-11:-1]]
    assert [entry.subject_id for entry in entries(database, "team_other")] == ["wh_other"]


def test_entries_that_are_over_for_long_are_deleted_a_bounded_number_at_each_new_one(
    database: AnyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(database, [KeepEntry(an_audit_entry("wh_1")) for _ in range(150)])
    monkeypatch.setattr(audit, "KEPT_PER_TEAM", 10)
    for left in (50, 10, 10):
        run(database, Audited(SaveTeam("team_1", TeamEdit(name="New")), an_audit_entry("wh_1")))
        assert count(database, "audit_entries") == left
