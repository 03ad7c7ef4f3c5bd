"""The options of a webhook in its form and on its page (contract "Options of a webhook")."""

from typing import Any

from tests.support.api_client import PUBLIC_URL, RunningApi
from tests.support.console_client import ConsoleClient

NEW: dict[str, Any] = {"name": "CRM", "url": PUBLIC_URL, "events": ["*"]}


async def options_of(api: RunningApi) -> dict[str, Any]:
    [webhook] = (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"]
    return dict(webhook)


async def test_an_option_is_chosen_in_the_form_shown_on_the_page_and_set_back(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, timeoutS="2.5")
    assert (await options_of(api))["timeoutS"] == 2.5
    assert "2.5 seconds" in (await acme.get(led.location)).text
    form = (await acme.get(f"{led.location}/edit")).text
    assert 'name="timeoutS" value="2.5"' in form
    assert '<details class="more" open>' in form
    await acme.post(f"{led.location}/edit", **NEW, timeoutS="")
    assert (await options_of(api))["timeoutS"] is None


async def test_a_form_without_the_field_leaves_an_option_as_it_is(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, timeoutS="2.5")
    await acme.post(f"{led.location}/edit", **NEW)
    assert (await options_of(api))["timeoutS"] == 2.5


async def test_a_wrong_option_is_told_beside_its_field_with_what_was_typed(acme: ConsoleClient, root: str) -> None:
    for typed in ("0", "31", "soon", "nan"):
        page = await acme.post(f"{root}/webhooks/new", **NEW, timeoutS=typed)
        assert page.status == 422
        assert "Enter 1 to 30 seconds" in page.text
        assert f'value="{typed}"' in page.text
        assert '<details class="more" open>' in page.text
