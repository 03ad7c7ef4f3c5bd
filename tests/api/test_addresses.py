"""The API of notification addresses, and of a team's time zone (contract "Notification addresses")."""

import pytest

from tests.support.api_client import RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")


async def test_a_teams_admin_adds_lists_and_removes_addresses(api: RunningApi) -> None:
    path = f"/v1/teams/{api.acme.id}/notification-emails"
    await api.operator.patch(f"/v1/teams/{api.acme.id}", {"notificationEmails": ["ops@acme.example"]})
    added = (await api.as_acme.post(path, {"email": "a+b/c@acme.example"})).value
    listed = (await api.as_acme.get(path)).value
    confirmed = {"email": "ops@acme.example", "confirmed": True, "askedAt": None, "expiresAt": None}
    assert listed == {"items": [confirmed, added], "nextCursor": None}
    assert (added["email"], added["confirmed"]) == ("a+b/c@acme.example", False)
    for email in ("a%2Bb%2Fc%40acme.example", "ops%40acme.example"):
        assert (await api.as_acme.delete(f"{path}?email={email}")).status == 204
        assert (await api.as_acme.delete(f"{path}?email={email}")).status == 404
    assert (await api.as_acme.get(path)).value["items"] == []


async def test_who_may_not_change_a_team_may_not_change_its_addresses(api: RunningApi) -> None:
    path = f"/v1/teams/{api.acme.id}/notification-emails"
    for role in ("read", "submit"):
        made = await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": "n", "role": role})
        client = api.as_acme.with_key(made.value["key"])
        for answer in (await client.post(path, {"email": "a@b.c"}), await client.delete(f"{path}?email=a@b.c")):
            assert (answer.status, answer.code) == (403, "role_not_enough"), role
    answer = await api.as_acme.patch(f"/v1/teams/{api.acme.id}", {"notificationEmails": ["a@b.example"]})
    assert (answer.status, answer.code) == (403, "operator_only")


async def test_a_known_address_and_a_wrong_one_are_refused(api: RunningApi) -> None:
    path = f"/v1/teams/{api.acme.id}/notification-emails"
    await api.operator.patch(f"/v1/teams/{api.acme.id}", {"notificationEmails": ["ops@acme.example"]})
    answer = await api.as_acme.post(path, {"email": "ops@acme.example"})
    assert (answer.status, answer.code) == (409, "address_confirmed")
    for email in ("nobody", "", 5, "a@b\r\nBcc: x@y.example"):
        answer = await api.as_acme.post(path, {"email": email})
        assert (answer.status, answer.value["errors"][0]["path"]) == (422, "$.email"), email


async def test_a_full_list_takes_no_more(api: RunningApi) -> None:
    full = [f"a{number}@acme.example" for number in range(20)]
    await api.operator.patch(f"/v1/teams/{api.acme.id}", {"notificationEmails": full})
    answer = await api.as_acme.post(f"/v1/teams/{api.acme.id}/notification-emails", {"email": "x@acme.example"})
    assert (answer.status, answer.code) == (409, "address_quota")


async def test_a_teams_own_key_sets_its_time_zone(api: RunningApi) -> None:
    path = f"/v1/teams/{api.acme.id}"
    assert (await api.as_acme.get(path)).value["timeZone"] == "UTC"
    for zone in ("Europe/Berlin", "America/Argentina/Buenos_Aires", "UTC"):
        assert (await api.as_acme.patch(path, {"timeZone": zone})).value["timeZone"] == zone
    for wrong in (
        "",
        "Berlin",
        "Europe/Nowhere",
        "../etc/passwd",
        "Europe/../../etc/passwd",
        "CET-1",
        5,
        None,
        "x" * 99,
    ):
        answer = await api.as_acme.patch(path, {"timeZone": wrong})
        assert (answer.status, answer.value["errors"][0]["path"]) == (422, "$.timeZone"), wrong
    made = await api.operator.post("/v1/teams", {"name": "n", "timeZone": "Asia/Tokyo"})
    assert made.value["timeZone"] == "Asia/Tokyo"
