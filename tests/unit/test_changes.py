"""A change to a webhook is a value: it does what the rules say, and outlives its process as JSON."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.domain.changes import (
    Delete,
    Edit,
    ResumeWhenDue,
    RotateSecret,
    SwitchSignature,
    WebhookChange,
    apply_change,
)
from daemon.domain.errors import NothingDue, WebhookInactive
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import DisabledReason, Webhook
from daemon.store.request_commands import asked_from_json, asked_to_json

WEBHOOK = Webhook(
    id="wh_1",
    team_id="team_1",
    name="CRM",
    url="https://a.example",
    secret="sealed",
    events=("*",),
    consecutive_failures=3,
    created_at=1,
    updated_at=1,
)
ROTATED = replace(
    WEBHOOK,
    secret="newer",
    updated_at=10,
    previous_secret="sealed",
    previous_secret_expires_at=110,
    signature_switches_at=60,
)

PAUSED = replace(WEBHOOK, updated_at=10, paused_at=10, resumes_at=99)

_texts = st.text(st.characters(exclude_categories=["Cs"]))
_times = st.integers(0, 2**53)
_edits = st.builds(
    WebhookEdit,
    name=st.none() | _texts,
    url=st.none() | _texts,
    secret=st.none() | _texts,
    remove_secret=st.booleans(),
    events=st.none() | st.lists(_texts).map(tuple),
    active=st.none() | st.booleans(),
    paused=st.none() | st.booleans(),
    resumes_at=st.none() | _times,
    until_resumed=st.booleans(),
)
changes = st.one_of(
    st.builds(Edit, _edits, _times),
    st.builds(RotateSecret, _texts, _times, _times, st.booleans()),
    st.builds(SwitchSignature, _times),
    st.builds(ResumeWhenDue, _times),
    st.builds(Delete, _times),
)


@given(changes)
def test_a_change_read_back_from_json_is_the_same(change: WebhookChange) -> None:
    read = asked_from_json(asked_to_json(change))
    assert (type(read), read) == (type(change), change)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"type":"explode","now":1}', '{"type":"delete"}', '{"type":"delete","now":""}']
)
def test_what_is_no_change_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        asked_from_json(text)


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (WEBHOOK, Edit(WebhookEdit(paused=True, resumes_at=99), 10), PAUSED),
        (PAUSED, Edit(WebhookEdit(paused=True), 10), PAUSED),
        (PAUSED, Edit(WebhookEdit(paused=True, until_resumed=True), 10), replace(PAUSED, resumes_at=None)),
        (PAUSED, Edit(WebhookEdit(paused=False), 10), replace(WEBHOOK, updated_at=10)),
        (PAUSED, ResumeWhenDue(99), replace(WEBHOOK, updated_at=99)),
        (WEBHOOK, Edit(WebhookEdit(name="CRM 2"), 10), replace(WEBHOOK, name="CRM 2", updated_at=10)),
        (
            WEBHOOK,
            Edit(WebhookEdit(active=False), 10),
            replace(WEBHOOK, active=False, disabled_reason=DisabledReason.MANUAL, disabled_at=10, updated_at=10),
        ),
        (WEBHOOK, RotateSecret("newer", 110, 10), ROTATED),
        (WEBHOOK, RotateSecret("newer", 110, 10, switch_now=True), replace(ROTATED, signature_switches_at=10)),
        (ROTATED, SwitchSignature(20), replace(ROTATED, signature_switches_at=20, updated_at=20)),
        (WEBHOOK, Delete(10), replace(WEBHOOK, active=False, secret=None, deleted_at=10, updated_at=10)),
    ],
    ids=[
        "pause",
        "pause again",
        "until resumed",
        "resume",
        "resume at its time",
        "edit",
        "disable",
        "rotate",
        "rotate and switch",
        "switch",
        "delete",
    ],
)
def test_each_kind_of_change_does_what_the_rules_say(before: Webhook, change: WebhookChange, after: Webhook) -> None:
    assert apply_change(before, change) == after


@pytest.mark.parametrize("webhook", [WEBHOOK, PAUSED, replace(PAUSED, resumes_at=None)])
def test_a_webhook_resumes_by_itself_at_its_time_and_not_before(webhook: Webhook) -> None:
    with pytest.raises(NothingDue):
        apply_change(webhook, ResumeWhenDue(98))


def test_a_disabled_webhook_is_not_paused_unless_it_is_enabled_with_it() -> None:
    disabled = replace(WEBHOOK, active=False, disabled_reason=DisabledReason.MANUAL, disabled_at=5)
    for webhook, edit in (
        (disabled, WebhookEdit(paused=True)),
        (WEBHOOK, WebhookEdit(active=False, paused=True)),
    ):
        with pytest.raises(WebhookInactive):
            apply_change(webhook, Edit(edit, 10))
    enabled = apply_change(disabled, Edit(WebhookEdit(active=True, paused=True), 10))
    assert (enabled.active, enabled.paused_at) == (True, 10)


@pytest.mark.parametrize("change", [Edit(WebhookEdit(active=False), 20), Delete(20)])
def test_what_gets_no_deliveries_is_not_paused(change: WebhookChange) -> None:
    changed = apply_change(PAUSED, change)
    assert (changed.active, changed.paused_at, changed.resumes_at) == (False, None, None)
