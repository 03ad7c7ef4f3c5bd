"""Headers of a webhook's own over the API (contract "Options of a webhook")."""

from typing import Any

import pytest
import trio

from daemon.delivery.own_headers import opened_headers
from daemon.store.reads.api_reads import get_webhook
from tests.support.api_client import PUBLIC_URL, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")

TOKEN = "Bearer s3cret-token"
SECRET = {"name": "Authorization", "value": TOKEN}
KEPT = {"name": "Authorization", "value": None, "secret": True}
PLAIN = {"name": "X-Tenant", "value": "acme"}
MOVES = "secret values stay with the scheme, host and port that they were given for"


async def path_of(api: RunningApi, *headers: dict[str, Any]) -> str:
    return f"/v1/webhooks/{(await api.webhook(headers=list(headers)))['id']}"


async def kept_value(api: RunningApi, path: str, name: str = "Authorization") -> str | None:
    """Return the secret value that is kept, opened."""
    webhook = await api.daemon.parts.store.reader.fetch(get_webhook, path.rpartition("/")[2])
    assert webhook is not None
    return dict(opened_headers(webhook, api.daemon.parts.vault)).get(name)


async def test_a_secret_value_is_never_shown_and_stays_when_it_is_sent_without_one(api: RunningApi) -> None:
    path = await path_of(api, SECRET, PLAIN)
    shown = (await api.as_acme.get(path)).value["headers"]
    assert shown == [KEPT, {**PLAIN, "secret": False}]
    for sent in ([*shown, {"name": "X-More", "value": "1"}], [{"name": "authorization"}], [KEPT]):
        changed = await api.as_acme.patch(path, {"headers": sent})
        assert changed.status == 200
        assert TOKEN not in str(changed.value)
        assert await kept_value(api, path, str(sent[0]["name"])) == TOKEN
    assert (await api.as_acme.patch(path, {"headers": [{**SECRET, "value": "other"}]})).status == 200
    assert await kept_value(api, path) == "other"
    assert (await api.as_acme.patch(path, {"headers": None})).value["headers"] == []


async def test_authorization_and_cookie_are_secret_unless_the_contrary_is_said(api: RunningApi) -> None:
    names = ("authorization", "Cookie", "X-Tenant")
    webhook = await api.webhook(headers=[{"name": name, "value": "v"} for name in names])
    assert [each["secret"] for each in webhook["headers"]] == [True, True, False]
    webhook = await api.webhook(headers=[{**SECRET, "secret": False}, {**PLAIN, "secret": True}])
    assert [each["value"] for each in webhook["headers"]] == [TOKEN, None]


@pytest.mark.parametrize(
    ("headers", "place", "words"),
    [
        ([PLAIN, {"name": "Host", "value": "x"}], "$.headers[1].name", "set by HTTP or by the daemon"),
        ([{"name": "X Y", "value": "x"}], "$.headers[0].name", "letters, digits"),
        ([PLAIN, {"name": "x-tenant", "value": "x"}], "$.headers[1].name", "name each header once"),
        ([{"name": "X-A", "value": "a\r\nHost: b"}], "$.headers[0].value", "visible ASCII"),
        ([{"name": "X-A", "value": ""}], "$.headers[0].value", "visible ASCII"),
        ([{"name": "X-A"}], "$.headers[0].value", "no secret value is kept"),
        ([{"name": "Authorization", "secret": False}], "$.headers[0].value", "only a secret value stays"),
        ([{"name": f"X-{each}", "value": "x" * 2045} for each in "ab"], None, None),
        ([{"name": f"X-{each}", "value": "x" * 2046} for each in "ab"], "$.headers", "4 KiB in all"),
    ],
)
async def test_a_wrong_header_is_named_by_its_place(
    api: RunningApi, headers: list[dict[str, Any]], place: str | None, words: str | None
) -> None:
    path = await path_of(api)
    new = {"name": "n", "url": PUBLIC_URL, "events": ["*"], "headers": headers}
    for answer in (await api.as_acme.post("/v1/webhooks", new), await api.as_acme.patch(path, {"headers": headers})):
        if place is None or words is None:
            assert answer.status in (200, 201)
            continue
        [wrong] = answer.value["errors"]
        assert (answer.status, wrong["path"]) == (422, place)
        assert words in wrong["message"]


async def test_a_secret_value_that_stays_counts_for_the_size(api: RunningApi) -> None:
    path = await path_of(api, {"name": "X-A", "value": "x" * 2000, "secret": True})
    more = {"name": "X-B", "value": "x" * 2091}
    assert (await api.as_acme.patch(path, {"headers": [{"name": "X-A"}, more]})).status == 422
    assert (await api.as_acme.patch(path, {"headers": [{"name": "X-A"}, {**more, "value": "x" * 2090}]})).status == 200


@pytest.mark.parametrize(
    "url", ["https://other.example/hook", "https://hooks.example.com:8443/in", "https://evil.example/in"]
)
async def test_a_secret_value_does_not_go_along_to_another_receiver(api: RunningApi, url: str) -> None:
    path = await path_of(api, SECRET, PLAIN)
    for change in ({"url": url}, {"url": url, "headers": [KEPT, PLAIN]}):
        refused = await api.as_acme.patch(path, change)
        [wrong] = refused.value["errors"]
        assert (refused.status, wrong["message"].split(":")[0]) == (422, MOVES)
    assert (await api.as_acme.patch(path, {"url": url, "headers": [SECRET]})).status == 200
    assert await kept_value(api, path) == TOKEN


async def test_another_path_of_the_same_receiver_keeps_the_secret_values(api: RunningApi) -> None:
    path = await path_of(api, SECRET)
    assert (await api.as_acme.patch(path, {"url": f"{PUBLIC_URL}/other?a=b"})).status == 200
    assert await kept_value(api, path) == TOKEN


async def test_the_audit_trail_tells_that_a_secret_value_was_replaced_and_shows_none(api: RunningApi) -> None:
    path = await path_of(api, SECRET)
    for value, expected in (("other", {"headers": {"from": "set", "to": "replaced"}}), ("other", {})):
        await api.as_acme.patch(path, {"headers": [{**SECRET, "value": value}]})
        trail = await api.operator.get(f"/v1/teams/{api.acme.id}/audit")
        assert trail.value["items"][0]["changes"] == expected
    await api.as_acme.patch(path, {"headers": [KEPT, PLAIN]})
    trail = await api.operator.get(f"/v1/teams/{api.acme.id}/audit")
    assert trail.value["items"][0]["changes"]["headers"]["to"] == [
        {"name": "Authorization", "value": "set", "secret": True},
        PLAIN,
    ]
    assert TOKEN not in str(trail.value)
    assert "other" not in str(trail.value)


async def test_the_request_of_an_attempt_is_shown_without_what_is_secret(api: RunningApi) -> None:
    path = await path_of(api, SECRET, PLAIN)
    await api.submit()
    with trio.fail_after(5):
        while not (found := (await api.as_acme.get("/v1/deliveries", status="succeeded")).value["items"]):
            await trio.lowlevel.checkpoint()
    delivery = f"/v1/deliveries/{found[0]['id']}"
    [attempt] = (await api.as_acme.get(delivery)).value["attempts"]
    sent = attempt["request"]
    assert (sent["line"], sent["isCertain"]) == ("POST /in HTTP/1.1", True)
    assert sent["headers"][0] == ["Host", "hooks.example.com"]
    assert ["X-Kakiyo-Attempt", "1"] in sent["headers"]
    assert sent["headers"][-2:] == [["Authorization", "•••"], ["X-Tenant", "acme"]]
    await api.as_acme.patch(path, {"headers": None})
    [attempt] = (await api.as_acme.get(delivery)).value["attempts"]
    assert ["X-Tenant", "acme"] not in attempt["request"]["headers"]
