"""Many deliveries are resent or cancelled in the console: it says how many, asks, and shows the job."""

import re
from html import unescape

import trio

from daemon.management import bulk_jobs
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient, Page


async def waiting(api: RunningApi, count: int) -> str:
    """Make a paused webhook for which so many deliveries wait; return its id."""
    webhook = await api.webhook(name="CRM <Sync>")
    await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"paused": True})
    for number in range(count):
        await api.submit(n=number)
    return str(webhook["id"])


async def ids_of(api: RunningApi) -> list[str]:
    return [one["id"] for one in (await api.as_acme.get("/v1/deliveries")).value["items"]]


def hidden(page: Page, name: str) -> str:
    [value] = re.findall(rf'<input type="hidden" name="{name}" value="([^"]*)"', page.text)
    return unescape(value)


async def send(browser: ConsoleClient, root: str, page: Page, **changed: str) -> Page:
    fields = {"asked": hidden(page, "asked"), "key": hidden(page, "key"), **changed}
    return await browser.post(f"{root}/bulk-jobs", **fields)


async def over(browser: ConsoleClient, path: str) -> str:
    """Return the job's page when the job is over."""
    with trio.fail_after(5):
        while "badge running" in (text := (await browser.get(path)).text):
            await trio.lowlevel.checkpoint()
    return text


async def test_what_is_ticked_is_asked_for_with_its_number_and_done_once(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await waiting(api, 3)
    ids = await ids_of(api)
    shown = (await acme.get(f"{root}/deliveries")).text
    assert all(f'<input type="checkbox" name="id" value="{one}" form="bulk"' in shown for one in ids)
    page = await acme.get(f"{root}/bulk-jobs/new?ticked=cancel&id={ids[0]}&id={ids[2]}&status=")
    assert "<h1>Cancel 2 deliveries?</h1>" in page.text
    done = [await send(acme, root, page) for _ in range(2)]
    assert [answer.status for answer in done] == [303, 303]
    assert done[0].location == done[1].location
    text = await over(acme, done[0].location)
    assert "2 of 2 cancelled" in text
    assert '<progress class="wide" max="2" value="2"' in text
    assert "deliveries that were named one by one" in text
    states = [one["status"] for one in (await api.as_acme.get("/v1/deliveries")).value["items"]]
    assert states == ["cancelled", "pending", "cancelled"]
    assert len((await api.as_acme.get("/v1/bulk-jobs")).value["items"]) == 1


async def test_all_that_the_filter_shows_is_said_in_words_first(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    webhook = await waiting(api, 3)
    for place in (f"{root}/deliveries", f"{root}/webhooks/{webhook}"):
        assert 'aria-label="Cancel all that match…"' in (await acme.get(f"{place}?status=pending")).text
    page = await acme.get(f"{root}/bulk-jobs/new?all=cancel&status=pending,failed&webhook={webhook}&period=1h")
    assert "<h1>Cancel 3 deliveries?</h1>" in page.text
    assert all(words in page.text for words in ("pending or failed", "CRM &lt;Sync&gt;", "<dt>From</dt>"))
    job = (await send(acme, root, page)).location
    assert "3 of 3 cancelled" in await over(acme, job)
    listed = (await acme.get(f"{root}/bulk-jobs")).text
    assert job in listed
    assert "Cancel deliveries" in listed


async def test_nothing_ticked_and_nothing_found_have_no_button(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await waiting(api, 1)
    for query, says in (("ticked=resend", "Nothing is ticked"), ("all=resend&status=failed", "Nothing to resend")):
        page = (await acme.get(f"{root}/bulk-jobs/new?{query}")).text
        assert f"<h1>{says}</h1>" in page
        assert "Back to the list" in page
        assert "<button>Resend" not in page
        assert 'class="primary"' not in page


async def test_too_many_are_told_and_a_forged_form_does_nothing(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await waiting(api, 3)
    page = await acme.get(f"{root}/bulk-jobs/new?all=cancel")
    for asked in ("", "{", "[]", '{"action": "cancel"}', '{"action": "cancel", "filter": {"teamId": "team_x"}}'):
        assert (await send(acme, root, page, asked=asked)).status in (404, 422), asked
    other, _ = await api.another_team()
    forged = f'{{"action": "cancel", "filter": {{}}, "teamId": "{other.id}"}}'
    job = (await send(acme, root, page, asked=forged)).location
    assert (await api.as_acme.get(f"/v1/bulk-jobs/{job.rpartition('/')[2]}")).value["teamId"] == api.acme.id


async def test_a_running_job_is_stopped_by_its_button_and_one_too_many_is_refused_in_a_sentence(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await waiting(api, 1)
    api.daemon.parts.bulk_jobs._wake = lambda: None  # nobody works on them
    jobs = []
    for _ in range(bulk_jobs.MOST_RUNNING):
        page = await acme.get(f"{root}/bulk-jobs/new?all=cancel")
        jobs.append((await send(acme, root, page)).location)
    refused = await send(acme, root, await acme.get(f"{root}/bulk-jobs/new?all=cancel"))
    assert refused.status == 422
    assert "The team has 5 bulk jobs that are not over" in refused.text
    stopped = await acme.post(f"{jobs[0]}/cancel")
    assert (stopped.status, stopped.location) == (303, jobs[0])
    assert "badge cancelled" in (await acme.get(jobs[0])).text


async def test_a_key_that_only_reads_sees_jobs_and_no_boxes(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await waiting(api, 1)
    job = (await send(acme, root, await acme.get(f"{root}/bulk-jobs/new?all=cancel"))).location
    made = await api.as_acme.post(f"/v1/teams/{api.acme.id}/keys", {"name": "Reader", "role": "read"})
    reader = ConsoleClient(api.operator.app)
    await reader.sign_in(made.value["key"])
    assert 'form="bulk"' not in (await reader.get(f"{root}/deliveries")).text
    assert (await reader.get(job)).status == 200
    assert (await reader.get(f"{root}/bulk-jobs/new?all=cancel")).status == 403


async def test_a_jobs_page_shows_live_how_far_it_is(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await waiting(api, 3)
    wake, api.daemon.parts.bulk_jobs._wake = api.daemon.parts.bulk_jobs._wake, lambda: None
    job = (await send(acme, root, await acme.get(f"{root}/bulk-jobs/new?all=cancel"))).location
    async with acme.stream(f"{job}/live") as stream:
        with trio.fail_after(5):
            name, part = await stream.event()
            assert (name, "0 of 3 cancelled" in part) == ("job-state", True)
            wake()
            while "badge finished" not in part:
                _, part = await stream.event()
    assert "3 of 3 cancelled" in part
