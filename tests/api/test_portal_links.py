"""Links that sign a customer in, as the operator makes, lists and revokes them (contract "Portal links")."""

from typing import Any

import pytest

from daemon.crypto.api_keys import digest_of
from daemon.domain.clock import HOUR_MS
from daemon.store.reads import api_reads
from tests.support.api_client import RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")

WRONG_URLS = (
    *(
        "http://a.example/",
        "javascript:alert(1)",
        "//a.example/",
        "/console/",
        "https:///x",
        "https://",
        "ftp://a.example",
    ),
    *(
        "https://u:p@a.example/",
        "https://a.example/\r\nx",
        'https://a.example/"onclick=',
        "https://[::1",
        "https://a.example:99999/",
        "https://a.example:x/",
        "https://ä.example",
    ),
    f"https://a.example/{'x' * 2_100}",
)


async def make(api: RunningApi, **body: Any) -> dict[str, Any]:
    answer = await api.operator.post(f"/v1/teams/{api.acme.id}/portal-links", body)
    assert answer.status == 201, answer.body
    return dict(answer.value)


async def test_a_link_is_valid_for_an_hour_for_all_that_the_team_may_unless_said_otherwise(api: RunningApi) -> None:
    made = await make(api)
    now = api.handles.now_ms()
    [link] = (await api.handles.reader.fetch(api_reads.list_portal_links, api.acme.id, 10)).items
    assert made["url"].startswith("http://127.0.0.1:8480/console/portal#kwp_")
    assert 0 <= now + HOUR_MS - link.expires_at < 60_000
    assert (made["readOnly"], made["once"], made["returnUrl"]) == (False, False, None)
    given = {"expiresInMinutes": 5, "readOnly": True, "once": True, "returnUrl": "https://a.example/x?y=1#z"}
    made = await make(api, **given)
    assert {name: made[name] for name in given if name in made} == {
        name: value for name, value in given.items() if name != "expiresInMinutes"
    }
    listed = (await api.operator.get(f"/v1/teams/{api.acme.id}/portal-links")).value["items"]
    assert listed[0] == {name: value for name, value in made.items() if name != "url"}


@pytest.mark.fault("Somebody reads a copy of the database", "No portal link can be made of what it holds")
async def test_a_token_of_256_bits_is_kept_as_its_digest_only(api: RunningApi) -> None:
    tokens = [(await make(api))["url"].partition("#")[2] for _ in range(2)]
    assert tokens[0] != tokens[1]
    assert {len(token) for token in tokens} == {len("kwp_") + 43}  # 43 characters of base64 are 258 bits
    found = await api.handles.reader.fetch(api_reads.portal_link_of_token, digest_of(tokens[0]))
    assert found is not None
    answers = [await api.operator.get(f"/v1/teams/{api.acme.id}/{what}") for what in ("portal-links", "audit")]
    assert not any(token[4:].encode() in answer.body for answer in answers for token in tokens)


@pytest.mark.fault(
    "A link is to lead back to an address that a browser runs as a script, or to plain http",
    "422 naming `returnUrl`",
    cases=len(WRONG_URLS),
)
async def test_a_link_leads_back_to_https_only(api: RunningApi) -> None:
    for url in WRONG_URLS:
        answer = await api.operator.post(f"/v1/teams/{api.acme.id}/portal-links", {"returnUrl": url})
        assert answer.status == 422, url
        assert answer.value["errors"][0]["path"] == "$.returnUrl"


async def test_a_link_lasts_a_minute_to_seven_days(api: RunningApi) -> None:
    path = f"/v1/teams/{api.acme.id}/portal-links"
    for minutes in (0, -1, 10_081, 1.5, "60"):
        assert (await api.operator.post(path, {"expiresInMinutes": minutes})).status == 422, minutes
    for minutes in (1, 10_080):
        await make(api, expiresInMinutes=minutes)


async def test_a_repeated_request_gets_the_same_link(api: RunningApi) -> None:
    path, key = f"/v1/teams/{api.acme.id}/portal-links", {"Idempotency-Key": "the same"}
    first, second = [await api.operator.post(path, {"once": True}, **key) for _ in range(2)]
    assert first.value == second.value
    assert len((await api.operator.get(path)).value["items"]) == 1


async def test_links_of_unknown_teams_and_unknown_links_are_not_found(api: RunningApi) -> None:
    assert (await api.operator.post("/v1/teams/team_x/portal-links", {})).status == 404
    assert (await api.operator.get("/v1/teams/team_x/portal-links")).status == 404
    assert (await api.operator.delete("/v1/portal-links/plk_x")).status == 404


async def test_who_made_and_revoked_a_link_is_in_the_audit_trail(api: RunningApi) -> None:
    made = await make(api, readOnly=True)
    for _ in range(2):
        assert (await api.operator.delete(f"/v1/portal-links/{made['id']}")).status == 204
    trail = (await api.operator.get(f"/v1/teams/{api.acme.id}/audit", subjectId=made["id"])).value["items"]
    assert [entry["action"] for entry in trail][-2:] == ["portal_link.revoked", "portal_link.created"]
    assert {entry["keyId"] for entry in trail} == {"operator"}
    assert trail[-1]["changes"] == {"readOnly": True, "once": False}
    listed = (await api.operator.get(f"/v1/teams/{api.acme.id}/portal-links")).value["items"]
    assert listed[0]["revokedAt"] is not None
