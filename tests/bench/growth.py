"""Whether an event's cost grows with the registered webhooks, or with the old deliveries in the database.

In every variation the same few webhooks get the load, and the daemon's CPU time counts. Each round runs on a copy of
what was filled, which has just been written and so is in the page cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tests.bench.disk_space import SUCCEEDED_BYTES, require_space
from tests.bench.event_costs import MEASURES, Cost, measure_costs
from tests.bench.figures import Figure, shown
from tests.bench.filled_rows import Target
from tests.bench.filling import fill_backlog, fill_history, fill_webhooks
from tests.bench.nginx import nginx
from tests.bench.processes import server
from tests.bench.workbench import Bench, middle

_WEBHOOKS, _QUICK_WEBHOOKS = (10, 1_000, 100_000), (10, 1_000)
_HISTORIES, _QUICK_HISTORIES = (10_000, 1_000_000), (1_000, 10_000)
_WITH_HISTORY, _QUICK_WITH_HISTORY = 1_000, 100
# Half of the fewest webhooks are delivered to; the other half gets new events and never answers.
_LOADED = 5
_BACKLOG, _QUICK_BACKLOG = 60_000, 5_000
_MOST_GROWTH = 1.2
_NEVER_CONTACTED = "http://127.0.0.1:9/hooks"


@dataclass(frozen=True, slots=True)
class Variation:
    """A filled state directory, the webhooks in it that never answer, and each measure's rounds."""

    name: str
    state_dir: Path
    silent: Sequence[Target]
    costs: dict[str, list[Cost]] = field(default_factory=lambda: {measure: [] for measure in MEASURES})


async def measure_growth(bench: Bench) -> list[Figure]:
    """Measure delivering and accepting with more and more webhooks, then with more and more old deliveries."""
    webhooks = _QUICK_WEBHOOKS if bench.quick else _WEBHOOKS
    histories = _QUICK_HISTORIES if bench.quick else _HISTORIES
    with_history = _QUICK_WITH_HISTORY if bench.quick else _WITH_HISTORY
    require_space(bench.directory, 2 * sum(histories) * SUCCEEDED_BYTES)
    async with nginx(bench.fresh("nginx")) as receiver, server("hanging_receiver") as hanging:
        urls = [receiver.url] * _LOADED + [hanging.url] * _LOADED
        by_webhooks = [await _fill(bench, urls, registered) for registered in webhooks]
        by_history = [await _fill(bench, urls, with_history, history) for history in histories]
        for _ in range(bench.rounds):
            for variation in (*by_webhooks, *by_history):
                await _measure_round(bench, variation)
    return [*_figures(by_webhooks), *_figures(by_history)]


async def _fill(bench: Bench, urls: Sequence[str], webhooks: int, history: int = 0) -> Variation:
    name = f"{history:,} old deliveries" if history else f"{webhooks:,} webhooks"
    bench.advance(f"filling {name}")
    state_dir = bench.fresh("filled")
    every_url = [*urls, *(f"{_NEVER_CONTACTED}/{number}" for number in range(webhooks - len(urls)))]
    targets = await trio.to_thread.run_sync(fill_webhooks, state_dir, every_url)
    if history:
        await trio.to_thread.run_sync(fill_history, state_dir, targets, history // webhooks)
    fill_backlog(state_dir, targets[:_LOADED], _backlog(bench) // _LOADED)
    await trio.to_thread.run_sync(bench.store.take_over, state_dir)
    return Variation(name, state_dir, targets[_LOADED : 2 * _LOADED])


async def _measure_round(bench: Bench, variation: Variation) -> None:
    bench.advance(variation.name)
    costs = await measure_costs(bench, variation.state_dir, _backlog(bench), [one.team_id for one in variation.silent])
    for measure, cost in zip(MEASURES, costs, strict=True):
        variation.costs[measure].append(cost)


def _backlog(bench: Bench) -> int:
    return _QUICK_BACKLOG if bench.quick else _BACKLOG


def _figures(variations: Sequence[Variation]) -> list[Figure]:
    return [_figure(measure, variations, variation) for measure in MEASURES for variation in variations]


def _figure(measure: str, variations: Sequence[Variation], variation: Variation) -> Figure:
    costs, smallest = variation.costs[measure], variations[0]
    # Round by round, since the machine drifts.
    growth = middle([ours.cpu_us / first.cpu_us for ours, first in zip(costs, smallest.costs[measure], strict=True)])
    name = f"growth, CPU of one {measure}, {variation.name}"
    cpu_us, note = middle([cost.cpu_us for cost in costs]), f"{shown(middle([cost.wall_us for cost in costs]))} µs long"
    if variation is not variations[-1]:
        return Figure(name, cpu_us, "µs", note, growth)
    goal = f"at most {_MOST_GROWTH} of {smallest.name}"
    return Figure(name, cpu_us, "µs", note, growth, goal, growth <= _MOST_GROWTH)
