"""What a person reads of a team (contract "Command line")."""

import json
from typing import Any

import pytest

ENTRY = {
    "id": "aud_1",
    "teamId": "t",
    "action": "bulk_job.created",
    "subjectId": "job_1",
    "keyId": "key_1",
    "keyName": "CI",
    "address": "127.0.0.1",
    "createdAt": "2025-01-01T00:00:00.000Z",
}


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        (
            {"filter": {"webhookId": "wh_1", "status": ["failed"]}},
            'filter: {"webhookId": "wh_1", "status": ["failed"]}',
        ),
        ({"filter": {"from": "a"}}, 'filter: {"from": "a"}'),
        ({"active": {"from": True, "to": False}}, "active: true → false"),
        ({"resumesAt": {"from": None, "to": "2025-01-01"}}, "resumesAt: none → 2025-01-01"),
        ({"count": 8, "once": False}, "count: 8, once: false"),
    ],
)
def test_the_audit_trail_shows_each_change_as_the_api_tells_it(
    run: Any, api: Any, changes: dict[str, Any], shown: str
) -> None:
    api.answers = [(200, json.dumps({"items": [{**ENTRY, "changes": changes}], "nextCursor": None}))]
    ended = run("teams", "audit", "t")
    assert (ended.code, ended.err) == (0, "")
    assert shown in ended.out
