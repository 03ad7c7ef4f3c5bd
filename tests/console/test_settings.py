"""A team's own settings, and who changed what, in the console (contract "Console")."""

import html
import re

from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient


async def test_a_teams_admin_renames_it_and_makes_and_revokes_keys(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    assert (await acme.post(f"{root}/settings", name="Acme 2")).location == f"{root}/settings"
    assert (await api.as_acme.get("/v1/verify")).value["name"] == "Acme 2"
    made = await acme.post(f"{root}/settings/keys", key_name="CI", role="submit")
    assert made.location == f"{root}/settings"
    assert "kwh_" in (await acme.get(f"{root}/settings")).text
    assert "kwh_" not in (await acme.get(f"{root}/settings")).text
    [key, *_] = (await api.as_acme.get(f"/v1/teams/{api.acme.id}/keys")).value["items"]
    assert (key["name"], key["role"]) == ("CI", "submit")
    await acme.post(f"{root}/settings/keys/{key['id']}/revoke")
    assert f"{key['id']}/revoke" not in (await acme.get(f"{root}/settings")).text


async def test_a_key_that_only_reads_sees_neither_the_keys_nor_the_trail(api: RunningApi, root: str) -> None:
    made = (await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": "Wallboard", "role": "read"})).value
    reader = ConsoleClient(api.operator.app)
    await reader.sign_in(made["key"])
    page = await reader.get(f"{root}/settings")
    assert (page.status, "Acme" in page.text) == (200, True)
    for hidden in ("key_", "Wallboard", "API keys", f"{root}/audit"):
        assert hidden not in page.text, hidden


async def test_a_key_without_a_name_or_with_a_made_up_role_is_told(acme: ConsoleClient, root: str) -> None:
    for fields in ({"key_name": ""}, {"key_name": "n", "role": "owner"}):
        assert (await acme.post(f"{root}/settings/keys", **fields)).status == 422
    assert (await acme.post(f"{root}/settings", name="")).mistake("name")


async def test_the_audit_trail_says_who_changed_what(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    webhook = await api.webhook()
    await acme.post(f"{root}/webhooks/{webhook['id']}/disable")
    page = (await acme.get(f"{root}/audit")).text
    assert f"{root}/webhooks/{webhook['id']}" in page
    for words in ("changed a webhook", "registered a webhook", "active: true → false", "tests"):
        assert words in re.sub(r"</?bdi>", "", page)
    await acme.post(f"{root}/webhooks/{webhook['id']}/delete")
    assert "deleted a webhook" in (await acme.get(f"{root}/audit")).text


async def test_the_trail_comes_in_pages(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    for number in range(51):
        await api.as_acme.patch(f"/v1/teams/{api.acme.id}", {"name": f"Acme {number}"})
    first = await acme.get(f"{root}/audit")
    assert "Acme 50" in first.text
    [older] = re.findall(r'href="([^"]*cursor=[^"]*)"', first.text)
    assert "made a key" in (await acme.get(html.unescape(older))).text
