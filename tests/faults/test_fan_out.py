"""SIGKILL in the middle of a fan-out: nothing is lost, nothing comes twice, and the order of each webhook stays."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.deadline import ends_within
from tests.e2e.operating import Operator, make_event, operated
from tests.faults.checker import violations
from tests.faults.evidence import Receipt
from tests.faults.kill_driver import Ledger
from tests.faults.kill_run import SECTIONS, evidence_of, mark_the_kill, receiver_process, until_at_rest
from tests.faults.small_pieces import make_small_pieces_installation
from tests.support.process import Installation, run_to_its_end

WEBHOOKS, EVENTS = 6, 30
# In each life of its own; the first one submits, the others go on from what they find.
KILLED_AT = ("before 1", "inside 1", "after 1", "inside 3", "after 2")
BEHAVIOURS = ("healthy", "flaky", "slow")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = make_small_pieces_installation(tmp_path, SECTIONS)
    yield made
    made.close()


@pytest.mark.fault(
    "SIGKILL before, within and right after the commit of a piece of a large submission's deliveries, again and again",
    "All its deliveries are made and delivered, each once, in order, before what the team submitted after it",
)
@ends_within(60)
async def test_kills_in_the_middle_of_a_fan_out_lose_nothing_and_keep_the_order(
    tmp_path: Path, installation: Installation
) -> None:
    ledger, log = Ledger(), tmp_path / "receiver.log"
    async with receiver_process(log, seed=1) as url:
        async with operated(installation) as operator:
            await operator.make_team()
            for number in range(WEBHOOKS):
                await operator.make_webhook(f"{url}/{BEHAVIOURS[number % len(BEHAVIOURS)]}/{number}")
        await submit_and_be_killed(installation, KILLED_AT[0], ledger)
        await mark_the_kill(url)
        for killed_at in KILLED_AT[1:]:
            await live_until_killed(installation, killed_at)
            await mark_the_kill(url)
        async with operated(installation) as operator:
            await submit(operator, ledger, 0, EVENTS)  # once more, as if the answer had been lost
            await submit(operator, ledger, EVENTS, 1)
            await until_at_rest(operator.daemon)
    evidence = evidence_of(installation, ledger, log)
    assert violations(evidence) == []
    assert len(evidence.deliveries) == (EVENTS + 1) * WEBHOOKS


async def submit(operator: Operator, ledger: Ledger, first: int, count: int) -> None:
    events = [make_event(number) for number in range(first, first + count)]
    answer = await operator.http.post("/v1/events/batch", json=events, headers={"Idempotency-Key": f"from {first}"})
    assert answer.status_code == 202, answer.text
    receipts: list[dict[str, Any]] = answer.json()["receipts"]
    for number, receipt in enumerate(receipts, first):
        ledger.receipts.append(Receipt(receipt["id"], number, receipt["deliveries"]))


async def submit_and_be_killed(installation: Installation, killed_at: str, ledger: Ledger) -> None:
    async with operated(installation, environment={"KILLED_AT": killed_at}) as operator:
        with suppress(httpx.TransportError):  # it may be killed before it has answered
            await submit(operator, ledger, 0, EVENTS)
        operator.daemon.killed = True
        assert await operator.daemon.ended() == -signal.SIGKILL


async def live_until_killed(installation: Installation, killed_at: str) -> None:
    ended = await run_to_its_end(installation, KILLED_AT=killed_at)
    assert ended.returncode == -signal.SIGKILL
