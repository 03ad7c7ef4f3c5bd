"""A change to a webhook is a value: it does what the rules say, and outlives its process as JSON."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.domain.changes import (
    Delete,
    Edit,
    RotateSecret,
    SwitchSignature,
    WebhookChange,
    apply_change,
    change_from_json,
    change_to_json,
)
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import DisabledReason, Webhook

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
)
changes = st.one_of(
    st.builds(Edit, _edits, _times),
    st.builds(RotateSecret, _texts, _times, _times, st.booleans()),
    st.builds(SwitchSignature, _times),
    st.builds(Delete, _times),
)


@given(changes)
def test_a_change_read_back_from_json_is_the_same(change: WebhookChange) -> None:
    read = change_from_json(change_to_json(change))
    assert (type(read), read) == (type(change), change)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"type":"explode","now":1}', '{"type":"delete"}', '{"type":"delete","now":""}']
)
def test_what_is_no_change_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        change_from_json(text)


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
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
    ids=["edit", "disable", "rotate", "rotate and switch", "switch", "delete"],
)
def test_each_kind_of_change_does_what_the_rules_say(before: Webhook, change: WebhookChange, after: Webhook) -> None:
    assert apply_change(before, change) == after
