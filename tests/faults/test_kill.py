"""SIGKILL at random moments, again and again: nothing acknowledged is lost, nothing is charged or mailed twice."""

from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.deadline import ends_within
from tests.faults.checker import violations
from tests.faults.kill_plan import KillPlan
from tests.faults.kill_run import run_kills

KILLS = 5
SEED = 20280


@pytest.mark.fault(
    "SIGKILL at random moments, under submissions, fan-outs, retries, edits, disabling and at start",
    "Every acknowledged event is delivered in order, charged once and counted once; one mail for each disabling",
)
@ends_within(110)
async def test_kills_at_random_moments_lose_nothing_and_repeat_only_what_they_may(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    run = await run_kills(tmp_path, KillPlan(SEED, KILLS, events_per_kill=150))
    evidence = run.evidence
    ends = Counter(delivery.status for delivery in evidence.deliveries)
    print(
        f"{len(evidence.events)} events, {dict(ends)}, {len(evidence.arrivals)} attempts, {len(evidence.mails)} mails, "
        f"{run.cut_fan_outs} kills in the middle of a fan-out"
    )
    assert violations(evidence) == []
    assert len({arrival.life for arrival in evidence.arrivals}) > KILLS // 2, "the kills came between deliveries"
    assert run.cut_fan_outs, "kills came in the middle of fan-outs"
    assert run.ledger.enablings, "webhooks were disabled and enabled again"
    assert min(ends["succeeded"], ends["failed"], ends["cancelled"]) > 0
