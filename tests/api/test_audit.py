"""Who changed what: each change over the API leaves an entry (contract "Audit trail")."""

from typing import Any

import pytest

from daemon.domain.audit import AuditAction
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient

pytestmark = pytest.mark.usefixtures("each_engine")

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # an example


async def trail(api: RunningApi, **query: Any) -> list[dict[str, Any]]:
    answer = await api.operator.get(f"/v1/teams/{api.acme.id}/audit", **query)
    assert answer.status == 200
    return list(answer.value["items"])


async def change_everything(api: RunningApi) -> dict[AuditAction, str]:
    """Change something in each way that there is; return what was changed, by action."""
    team, operator, acme = api.acme.id, api.operator, api.as_acme
    made = await operator.post("/v1/teams", {"id": "team_new", "name": "New"})
    webhook = await api.webhook()
    hook = f"/v1/webhooks/{webhook['id']}"
    key = (await acme.post(f"/v1/teams/{team}/keys", {"name": "CI", "role": "read"})).value
    event = await api.submit()
    [delivery] = (await acme.get(f"/v1/events/{event}")).value["deliveries"]
    grant = (await operator.post("/v1/credits/grants", {"teamId": team, "amount": 5, "note": "hello"})).value
    link = (await operator.post(f"/v1/teams/{team}/portal-links", {})).value
    await ConsoleClient(operator.app).send("POST", "/console/portal", {"link": link["url"]})
    api.daemon.parts.bulk_jobs._wake = lambda: None  # it is cancelled before it is worked on
    job = (await acme.post("/v1/bulk-jobs", {"action": "cancel", "filter": {}})).value
    answers = [
        made,
        await acme.call("POST", f"/v1/bulk-jobs/{job['id']}/cancel"),
        await operator.delete(f"/v1/portal-links/{link['id']}"),
        await operator.patch(f"/v1/teams/{team}", {"name": "Acme 2"}),
        await acme.post(f"/v1/teams/{team}/notification-emails", {"email": "new@acme.example"}),
        await acme.delete(f"/v1/teams/{team}/notification-emails?email=new@acme.example"),
        await acme.delete(f"/v1/keys/{key['id']}"),
        await acme.patch(hook, {"secret": SECRET, "active": True}),
        await acme.patch(hook, {"paused": True, "resumesAt": "2h"}),
        await acme.patch(hook, {"paused": False}),
        await acme.post(f"{hook}/rotate-secret", {}),
        await acme.post(f"{hook}/rotate-secret", {"switchNow": True}),
        await acme.call("POST", f"/v1/deliveries/{delivery['id']}/resend"),
        await acme.post(f"{hook}/recover", {"since": "2020-01-01T00:00:00Z"}),
        await acme.delete(f"/v1/events/{delivery['eventId']}"),
        await acme.delete(hook),
    ]
    assert all(answer.status < 300 for answer in answers), answers
    return {
        AuditAction.TEAM_CHANGED: team,
        AuditAction.ADDRESS_ADDED: team,
        AuditAction.ADDRESS_REMOVED: team,
        AuditAction.KEY_CREATED: key["id"],
        AuditAction.KEY_REVOKED: key["id"],
        AuditAction.WEBHOOK_CREATED: webhook["id"],
        AuditAction.WEBHOOK_CHANGED: webhook["id"],
        AuditAction.WEBHOOK_PAUSED: webhook["id"],
        AuditAction.WEBHOOK_RESUMED: webhook["id"],
        AuditAction.SECRET_ROTATED: webhook["id"],
        AuditAction.SIGNATURE_SWITCHED: webhook["id"],
        AuditAction.WEBHOOK_RECOVERED: webhook["id"],
        AuditAction.WEBHOOK_DELETED: webhook["id"],
        AuditAction.DELIVERY_RESENT: delivery["id"],
        AuditAction.EVENT_ERASED: delivery["eventId"],
        AuditAction.BULK_JOB_CREATED: job["id"],
        AuditAction.BULK_JOB_CANCELLED: job["id"],
        AuditAction.CREDITS_GRANTED: grant["id"],
        AuditAction.PORTAL_LINK_CREATED: link["id"],
        AuditAction.PORTAL_LINK_USED: link["id"],
        AuditAction.PORTAL_LINK_REVOKED: link["id"],
    }


async def test_each_kind_of_change_leaves_an_entry_that_names_its_key_and_its_subject(api: RunningApi) -> None:
    changed = await change_everything(api)
    entries = {entry["action"]: entry for entry in reversed(await trail(api))}
    assert {action: entries[action]["subjectId"] for action in changed} == changed
    confirmed = AuditAction.ADDRESS_CONFIRMED  # by whoever reads the mail: tests/console/test_addresses.py
    assert set(changed) | {AuditAction.TEAM_CREATED, confirmed} == set(AuditAction)
    [created] = (await api.operator.get("/v1/teams/team_new/audit")).value["items"]
    assert (created["action"], created["keyId"], created["keyName"]) == ("team.created", "operator", "Operator")
    by_team = {action for action, entry in entries.items() if entry["keyId"].startswith("key_")}
    operators = {AuditAction.TEAM_CHANGED, AuditAction.CREDITS_GRANTED}
    of_links = {AuditAction.PORTAL_LINK_CREATED, AuditAction.PORTAL_LINK_USED, AuditAction.PORTAL_LINK_REVOKED}
    assert by_team == set(changed) - operators - of_links
    assert entries["team.changed"]["changes"] == {"name": {"from": "Acme", "to": "Acme 2"}}
    paused, resumed = entries["webhook.paused"]["changes"], entries["webhook.resumed"]["changes"]
    assert [paused[name]["from"] for name in ("pausedAt", "resumesAt")] == [None, None]
    assert {name: change["to"] for name, change in paused.items()} == {
        name: change["from"] for name, change in resumed.items()
    }
    assert paused["resumesAt"]["to"] > paused["pausedAt"]["to"]
    assert SECRET not in str(entries)


async def test_a_repeated_request_leaves_one_entry(api: RunningApi) -> None:
    for _ in range(2):
        made = await api.as_acme.post(
            f"/v1/teams/{api.acme.id}/keys", {"name": "CI"}, **{"Idempotency-Key": "the same"}
        )
        assert made.status == 201
    assert [entry["action"] for entry in await trail(api)].count("key.created") == 2  # the other is the client's own


async def test_what_is_revoked_twice_leaves_one_entry(api: RunningApi) -> None:
    team = api.acme.id
    key = (await api.as_acme.post(f"/v1/teams/{team}/keys", {"name": "CI"})).value["id"]
    link = (await api.operator.post(f"/v1/teams/{team}/portal-links", {})).value["id"]
    for path, subject in ((f"/v1/keys/{key}", key), (f"/v1/portal-links/{link}", link)):
        assert [(await api.operator.delete(path)).status for _ in range(2)] == [204, 204]
        actions = [entry["action"] for entry in await trail(api, subjectId=subject)]
        assert len(actions) == 2, actions  # made, and revoked


async def test_a_secret_is_replaced_by_another_one_only(api: RunningApi) -> None:
    webhook = await api.webhook()
    hook, replaced = f"/v1/webhooks/{webhook['id']}", {"from": "set", "to": "replaced"}
    steps: tuple[tuple[str, dict[str, Any], Any], ...] = (
        ("PATCH", {"secret": SECRET}, {"from": None, "to": "set"}),
        ("PATCH", {"secret": SECRET}, None),
        ("PATCH", {"secret": "another one"}, replaced),
        ("PATCH", {"name": "[prod] CRM"}, None),
        ("POST", {"secret": "another one"}, None),
        ("POST", {}, replaced),
        ("PATCH", {"secret": None}, {"from": "set", "to": None}),
        ("POST", {}, {"from": None, "to": "set"}),
    )
    for method, body, told in steps:
        path = f"{hook}/rotate-secret" if method == "POST" else hook
        answer = await (api.as_acme.post(path, body) if method == "POST" else api.as_acme.patch(path, body))
        assert answer.status == 200, answer.body
        assert (await trail(api, limit=1))[0]["changes"].get("secret") == told, body


async def test_the_trail_of_one_subject_is_told_apart(api: RunningApi) -> None:
    first, second = [await api.webhook() for _ in range(2)]
    await api.as_acme.delete(f"/v1/webhooks/{first['id']}")
    actions = [entry["action"] for entry in await trail(api, subjectId=first["id"])]
    assert actions == ["webhook.deleted", "webhook.created"]
    assert len(await trail(api, subjectId=second["id"])) == 1


@pytest.mark.fault(
    "A client that is not on this machine, or the end of a chain that it made up, says from where it comes",
    "The audit trail has the address of the peer, or the one that the proxy on this machine saw",
    cases=9,
)
async def test_an_entry_has_the_address_that_a_client_cannot_choose(api: RunningApi) -> None:
    cases = (
        (("192.0.2.7", 1), "203.0.113.9", "192.0.2.7"),
        (("127.0.0.1", 1), "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (("::1", 1), "2001:db8::1", "2001:db8::1"),
        (("127.0.0.1", 1), "<script>", "127.0.0.1"),
        (None, "203.0.113.9", "203.0.113.9"),
        (("fe80::1%eth0", 1), "203.0.113.9", "fe80::1"),
        (("::ffff:192.0.2.7", 1), "203.0.113.9", "192.0.2.7"),
        (("::ffff:127.0.0.1", 1), "fe80::2%3", "fe80::2"),
        (("127.0.0.1", 1), "::ffff:203.0.113.9", "203.0.113.9"),
    )
    for client, forwarded, expected in cases:
        body = b'{"name": "Acme"}'
        answer = await api.operator.call(
            "PATCH",
            f"/v1/teams/{api.acme.id}",
            content=body,
            headers={"X-Forwarded-For": forwarded},
            client=client,
        )
        assert answer.status == 200
        assert (await trail(api, limit=1))[0]["address"] == expected, (client, forwarded)
