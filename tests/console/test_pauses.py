"""A webhook is paused and resumed in the console, and seen to be paused wherever it, or what waits for it, is shown."""

from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient


async def test_a_webhook_is_paused_until_a_time_and_resumed_by_its_pages_buttons(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str
) -> None:
    page = f"{root}/webhooks/{(await api.webhook(name='CRM Sync'))['id']}"
    paused = await acme.post(f"{page}/pause", resumesAt="")
    assert paused.status == 303
    await api.submit()
    await api.submit()
    shown = (await acme.get(page)).text
    assert 'class="badge paused"' in shown
    assert "It goes on when somebody resumes it." in shown
    assert "<strong>2</strong> deliveries wait" in shown
    await acme.post(f"{page}/pause", resumesAt="2027-02-01T10:00")
    for place in (page, f"{root}/webhooks"):
        assert "2027-02-01T10:00:00.000Z" in (await acme.get(place)).text, place
    assert "2027-02-01T10:00" in (await operator.get("/console/system")).text
    await acme.post(f"{page}/pause", resumesAt="")
    assert "It goes on when somebody resumes it." in (await acme.get(page)).text
    await acme.post(f"{page}/resume")
    assert 'class="badge paused"' not in (await acme.get(page)).text


async def test_a_wrong_time_to_resume_is_told_at_its_field(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    page = f"{root}/webhooks/{(await api.webhook())['id']}"
    for wrong in ("2020-01-01T00:00", "2099-01-01T00:00", "tomorrow"):
        answer = await acme.post(f"{page}/pause", resumesAt=wrong)
        assert (answer.status, 'id="resumesAt-mistake"' in answer.text) == (422, True), wrong
    assert 'class="badge paused"' not in (await acme.get(page)).text


async def test_deliveries_say_in_lists_and_on_their_pages_that_the_webhook_is_paused(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    webhook = await api.webhook()
    path = f"/v1/webhooks/{webhook['id']}"
    await api.as_acme.patch(path, {"paused": True})
    event = await api.submit()
    [delivery] = (await api.as_acme.get(f"/v1/events/{event}")).value["deliveries"]
    lists = (f"{root}/deliveries", f"{root}/webhooks/{webhook['id']}", f"{root}/events/{event}")
    for place in lists:
        assert "waits: webhook paused" in (await acme.get(place)).text, place
    one = f"{root}/deliveries/{delivery['id']}"
    assert "It waits because its webhook is paused: it goes on, in order, when somebody" in (await acme.get(one)).text
    await api.as_acme.patch(path, {"paused": True, "resumesAt": "2h"})
    assert "or somebody resumes it" in (await acme.get(one)).text
    assert '<span class="under">resumes' in (await acme.get(lists[0])).text
    await api.as_acme.patch(path, {"paused": False})
    assert "waits: webhook paused" not in (await acme.get(lists[0])).text


async def test_the_system_page_lists_what_is_paused(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str
) -> None:
    assert "Paused webhooks: 0" in (await operator.get("/console/system")).text
    webhook = await api.webhook(name="CRM Sync")
    await acme.post(f"{root}/webhooks/{webhook['id']}/pause", resumesAt="")
    system = (await operator.get("/console/system")).text
    assert "Paused webhooks: 1" in system
    assert f"{root}/webhooks/{webhook['id']}" in system


async def test_nobody_is_advised_to_disable_a_webhook_for_a_pause(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    page = f"{root}/webhooks/{(await api.webhook())['id']}"
    for asked in ("disable", "delete"):
        assert f'<a href="{page}#manage-heading">pause it</a>' in (await acme.get(f"{page}/{asked}")).text
