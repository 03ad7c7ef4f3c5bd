"""SIGKILL in the middle of an erasure: it goes on to its end, and nothing of the event is sent."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import trio

from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.faults.kill_run import SECTIONS, receiver_process
from tests.faults.small_pieces import PIECE, make_small_pieces_installation
from tests.support.process import Installation, run_to_its_end

# Each in a life of its own, which goes on from what it finds.
KILLED_AT = ("before 1", "inside 1", "after 1", "after 2")
SECRET = "Ada-Lovelace-of-London"
RESENT = 2 * PIECE


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = make_small_pieces_installation(tmp_path, SECTIONS)
    yield made
    made.close()


@pytest.mark.fault(
    "SIGKILL before, within and right after the commit of a page of an erasure, again and again",
    "The erasure goes on where it was: nothing of the event is sent, and not a byte of it is left in the file",
)
@ends_within(60)
async def test_kills_in_the_middle_of_an_erasure_leave_nothing_of_it(
    tmp_path: Path, installation: Installation
) -> None:
    async with receiver_process(tmp_path / "receiver.log", seed=1) as url:
        environment = {"KILLED_AT": KILLED_AT[0], "KILLED_IN": "EraseAnswers"}
        async with operated(installation, environment=environment) as operator:
            await operator.make_team()
            webhook = (await operator.make_webhook(f"{url}/healthy/1"))["id"]
            await operator.call("PATCH", f"/v1/webhooks/{webhook}", {"paused": True})
            submitted = {"event": "linkedin.message.sent", "teamId": "acme", "data": {"who": SECRET}}
            event = (await operator.call("POST", "/v1/events", submitted, expect=202))["id"]
            [first] = await operator.deliveries()
            for _ in range(RESENT):
                await operator.call("POST", f"/v1/deliveries/{first['id']}/resend", expect=202)
            with suppress(httpx.TransportError):  # it may be killed before it has answered
                await operator.call("DELETE", f"/v1/events/{event}", expect=202)
            operator.daemon.killed = True
            assert await operator.daemon.ended() == -signal.SIGKILL
        for killed_at in KILLED_AT[1:]:
            ended = await run_to_its_end(installation, KILLED_AT=killed_at, KILLED_IN="EraseAnswers")
            assert ended.returncode == -signal.SIGKILL
        async with operated(installation) as operator:
            path = f"/v1/events/{event}"
            while (await operator.call("GET", path))["erasing"]:  # noqa: ASYNC110 - nobody would set an event
                await trio.sleep(0.05)
            await operator.call("PATCH", f"/v1/webhooks/{webhook}", {"paused": False})
            await operator.until_nothing_is_pending()
            deliveries = await operator.deliveries()
            while _is_in_a_file(installation.state_dir):  # noqa: ASYNC110 - the last kill left all of the log
                await trio.sleep(0.05)
    assert {(one["status"], one["cancelReason"], one["attemptsMade"]) for one in deliveries} == {
        ("cancelled", "erased", 0)
    }
    assert len(deliveries) == 1 + RESENT


def _is_in_a_file(directory: Path) -> bool:
    return any(SECRET.encode() in path.read_bytes() for path in directory.iterdir() if path.is_file())
