"""The operator's page about a team's portal links."""

import re

import pytest

from tests.console.conftest import enter, make
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient

ADDRESS = re.compile(r"http://127\.0\.0\.1:8480/console/portal#kwp_[A-Za-z0-9_-]{43}")


async def test_the_operator_makes_a_link_which_is_shown_once_and_signs_a_customer_in(
    api: RunningApi, operator: ConsoleClient, root: str
) -> None:
    asked = {"expiresInMinutes": "90", "may": "look", "signs-in": "once", "returnUrl": "https://a.example/x"}
    made = await operator.post(f"{root}/portal-links", **asked)
    shown = await operator.get(made.location)
    assert "The link is made." in shown.text
    assert 'aria-label="Copy the link"' in shown.text
    address = ADDRESS.findall(shown.text)[0]
    assert not ADDRESS.search((await operator.get(made.location)).text)
    [link] = (await api.operator.get(f"/v1/teams/{api.acme.id}/portal-links")).value["items"]
    assert {name: link[name] for name in ("readOnly", "once", "returnUrl")} == {
        "readOnly": True,
        "once": True,
        "returnUrl": "https://a.example/x",
    }
    assert (await enter(ConsoleClient(api.operator.app), {"url": address})).status == 303


async def test_the_page_lists_what_is_valid_with_its_last_use_and_revokes_it(
    api: RunningApi, operator: ConsoleClient, root: str
) -> None:
    used, idle, revoked = await make(api), await make(api), await make(api)
    await enter(ConsoleClient(api.operator.app), used)
    await api.operator.delete(f"/v1/portal-links/{revoked['id']}")
    page = (await operator.get(f"{root}/portal-links")).text
    assert (used["id"] in page, idle["id"] in page, revoked["id"] in page) == (True, True, False)
    assert page.count(">never<") == 1
    assert (await operator.post(f"{root}/portal-links/{used['id']}/revoke")).status == 303
    page = (await operator.get(f"{root}/portal-links")).text
    assert "The link is revoked, and its sessions have ended." in page
    assert used["id"] not in page


async def test_a_wrong_form_makes_no_link_and_tells_each_mistake(
    api: RunningApi, operator: ConsoleClient, root: str
) -> None:
    for minutes in ("", "0", "1.5", "10081", "x"):
        page = await operator.post(f"{root}/portal-links", expiresInMinutes=minutes, returnUrl="javascript:alert(1)")
        assert page.status == 422, minutes
        assert page.mistake("expiresInMinutes").startswith("Enter a whole number of minutes from 1 to 10,080")
        assert page.mistake("returnUrl") == "Enter an address that begins with https://, or nothing."
    assert (await api.operator.get(f"/v1/teams/{api.acme.id}/portal-links")).value["items"] == []


@pytest.mark.fault("The operator's page of one team is asked to revoke another team's link", "404", cases=1)
async def test_the_page_of_one_team_revokes_no_link_of_another(api: RunningApi, operator: ConsoleClient) -> None:
    other, _ = await api.another_team()
    link = await make(api)
    page = await operator.post(f"/console/teams/{other.id}/portal-links/{link['id']}/revoke")
    assert page.status == 404
    [left] = (await api.operator.get(f"/v1/teams/{api.acme.id}/portal-links")).value["items"]
    assert left["revokedAt"] is None
