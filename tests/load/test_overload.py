"""More submissions than the daemon can take: the refused are told so, the accepted all arrive, and it stays well."""

from pathlib import Path

import pytest

from tests.e2e.deadline import ends_within
from tests.faults.checker import violations
from tests.faults.overload_run import OverloadPlan, OverloadRun, percentile, run_overload

MIB = 1024 * 1024
QUICK = OverloadPlan(seconds=4)


def check_overload(run: OverloadRun) -> None:
    """Assert all that is promised under overload; the bounds are wide, for a machine that does other things too."""
    assert run.evidence is not None
    assert run.refused_s, "it was overloaded"
    assert run.accepted_s, "it went on accepting"
    assert run.without_retry_after == 0
    assert violations(run.evidence) == [], "all that was accepted arrived, once and in order; nothing else was kept"
    assert percentile(run.health_s, 0.99) < 1
    assert percentile(run.accepted_s, 0.99) < 3
    half = len(run.memory) // 2
    assert max(run.memory[half:]) - max(run.memory[:half]) < 32 * MIB, "memory does not grow with the load"
    assert max(run.memory) - run.memory[0] < 128 * MIB


def figures(run: OverloadRun) -> str:
    """Return one line about a run."""
    assert run.evidence is not None
    return (
        f"{len(run.accepted_s)} batches accepted (p99 {percentile(run.accepted_s, 0.99) * 1000:.0f} ms), "
        f"{len(run.refused_s)} refused, {len(run.evidence.deliveries)} deliveries, "
        f"/healthz p99 {percentile(run.health_s, 0.99) * 1000:.0f} ms, "
        f"memory {run.memory[0] // MIB} to {max(run.memory) // MIB} MiB"
    )


@pytest.mark.fault(
    "More submissions than it can take, from many connections at once",
    "503 with Retry-After; the accepted all arrive, memory and latency stay bounded, /healthz answers all the while",
)
@ends_within(60)
async def test_overload_is_refused_politely_and_harms_nothing(tmp_path: Path) -> None:
    run = await run_overload(tmp_path, QUICK)
    print(figures(run))
    check_overload(run)
