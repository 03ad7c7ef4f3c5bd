"""SIGKILL in the middle of a bulk job: each delivery is resent or cancelled once, and the job goes on to its end."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.e2e.deadline import ends_within
from tests.e2e.operating import Operator, operated
from tests.faults.kill_run import SECTIONS, receiver_process
from tests.faults.small_pieces import PIECE, make_small_pieces_installation
from tests.support.process import Installation, run_to_its_end

EVENTS = 5 * PIECE
# Each in a life of its own, which goes on from what it finds.
KILLED_AT = ("before 1", "inside 1", "after 1", "inside 2", "after 2")
BOTH = (("resend", "MoveBulkJob"), ("cancel", "CancelForJob"))


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = make_small_pieces_installation(tmp_path, SECTIONS)
    yield made
    made.close()


@pytest.mark.parametrize(("action", "killed_in"), BOTH)
@pytest.mark.fault(
    "SIGKILL before, within and right after the commit of a page of a bulk job, again and again",
    "The job goes on where it was: each delivery is resent once, and nothing that was cancelled is sent",
)
@ends_within(60)
async def test_kills_in_the_middle_of_a_bulk_job_do_nothing_twice(
    tmp_path: Path, installation: Installation, action: str, killed_in: str
) -> None:
    async with receiver_process(tmp_path / "receiver.log", seed=1) as url:
        environment = {"KILLED_AT": KILLED_AT[0], "KILLED_IN": killed_in}
        async with operated(installation, environment=environment) as operator:
            webhook, job = await begin(operator, f"{url}/healthy/1", action)
            operator.daemon.killed = True
            assert await operator.daemon.ended() == -signal.SIGKILL
        for killed_at in KILLED_AT[1:]:
            ended = await run_to_its_end(installation, KILLED_AT=killed_at, KILLED_IN=killed_in)
            assert ended.returncode == -signal.SIGKILL
        async with operated(installation) as operator:
            over = await until_over(operator, job)
            await operator.call("PATCH", f"/v1/webhooks/{webhook}", {"paused": False})
            await operator.until_nothing_is_pending()
            deliveries = await operator.deliveries()
    assert (over["total"], over["done"], over["skipped"]) == (EVENTS, EVENTS, 0)
    if action == "cancel":
        assert {(one["status"], one["attemptsMade"]) for one in deliveries} == {("cancelled", 0)}
        return
    first, resent = deliveries[:EVENTS], deliveries[EVENTS:]
    assert [one["origin"]["deliveryId"] for one in resent] == [one["id"] for one in first]
    assert Counter(one["status"] for one in resent) == {"succeeded": EVENTS}


async def begin(operator: Operator, url: str, action: str) -> tuple[str, str]:
    """Have deliveries that ended, or wait, and a job for them; return the webhook's id and the job's."""
    await operator.make_team()
    webhook = (await operator.make_webhook(url))["id"]
    if action == "cancel":
        await operator.call("PATCH", f"/v1/webhooks/{webhook}", {"paused": True})
    events = [{"event": "linkedin.message.sent", "teamId": "acme", "data": {"n": number}} for number in range(EVENTS)]
    await operator.call("POST", "/v1/events/batch", events, expect=202)
    if action == "resend":
        await operator.until_nothing_is_pending()
    asked: dict[str, Any] = {"action": action, "filter": {}, "teamId": "acme"}
    with suppress(httpx.TransportError):  # it may be killed before it has answered
        return webhook, (await operator.call("POST", "/v1/bulk-jobs", asked, expect=202))["id"]
    return webhook, ""


async def until_over(operator: Operator, job_id: str) -> dict[str, Any]:
    """Return the job when it is over."""
    if not job_id:
        [job] = await operator.list_all("/v1/bulk-jobs", teamId="acme")
        job_id = job["id"]
    path = f"/v1/bulk-jobs/{job_id}"
    while (job := await operator.call("GET", path))["status"] == "running":  # noqa: ASYNC110 - nobody would set an event
        await trio.sleep(0.05)
    return dict(job)
