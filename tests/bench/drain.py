"""What delivering costs: a backlog over 50 and 1,000 webhooks, beside loops that do only the POSTs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.backlog import Backlog, Drained, cpu_us, drain, make_backlog, rate
from tests.bench.delivery_request import write_request
from tests.bench.figures import Figure, shown
from tests.bench.nginx import Receiver, nginx
from tests.bench.processes import python, run_json
from tests.bench.workbench import Bench, middle

_USUAL, _MANY = 50, 1_000


@dataclass(frozen=True, slots=True)
class Rounds:
    """What was measured with one number of webhooks: the bare loop and httpx in POSTs per second."""

    ours: list[Drained] = field(default_factory=list)
    loop: list[float] = field(default_factory=list)
    httpx: list[float] = field(default_factory=list)


async def measure_drain(bench: Bench) -> list[Figure]:
    """Measure the drain of two backlogs, each beside the bare loop, the usual one beside httpx too."""
    rounds = {webhooks: Rounds() for webhooks in (_USUAL, _MANY)}
    async with nginx(bench.fresh("nginx")) as receiver:
        backlogs = [await _backlog(bench, receiver, webhooks) for webhooks in rounds]
        for _ in range(bench.rounds):
            for backlog in backlogs:
                await _measure_round(bench, receiver, backlog, rounds[backlog.webhooks])
    beside = [*_against_httpx(rounds[_USUAL]), *_against_fewer(rounds)] if bench.floors else []
    return [*_rates(rounds), *beside, *_cpu(rounds)]


async def usual_backlog(bench: Bench, receiver: Receiver) -> Backlog:
    """Fill the backlog that others measure with too: 50 webhooks, half as many deliveries."""
    return await make_backlog(bench, receiver, _USUAL, 2_000 if bench.quick else 10_000)


async def _backlog(bench: Bench, receiver: Receiver, webhooks: int) -> Backlog:
    bench.advance(f"filling {_webhooks(webhooks)}")
    return await make_backlog(bench, receiver, webhooks, 2_000 if bench.quick else 20_000)


async def _measure_round(bench: Bench, receiver: Receiver, backlog: Backlog, rounds: Rounds) -> None:
    named = _webhooks(backlog.webhooks)
    if bench.floors:
        bench.advance(f"{named}, the bare loop")
        rounds.loop.append(await bare_loop(bench, receiver, backlog.webhooks))
        if backlog.webhooks == _USUAL:
            bench.advance(f"{named}, httpx")
            rounds.httpx.append(await _httpx(bench, receiver))
    bench.advance(named)
    rounds.ours.append(await drain(bench, backlog))


async def bare_loop(bench: Bench, receiver: Receiver, connections: int) -> float:
    """Return how many POSTs of a delivery's bytes a bare loop does in a second."""
    return await _floor(bench, receiver, python("floor_loop", str(receiver.port)), connections)


async def _httpx(bench: Bench, receiver: Receiver) -> float:
    return await _floor(bench, receiver, python("floor_httpx", f"{receiver.url}/hooks/7"), _USUAL)


async def _floor(bench: Bench, receiver: Receiver, command: Sequence[str], connections: int) -> float:
    request = write_request(bench.directory / "request", f"{receiver.url}/hooks/7")
    done = await run_json([*command, str(connections), str(bench.seconds), str(request)])
    return float(done["requests"] / done["seconds"])


def _rates(rounds: dict[int, Rounds]) -> list[Figure]:
    figures = []
    for webhooks, measured in rounds.items():
        if not measured.loop:
            figures.append(Figure(_name(webhooks), rate(measured.ours), "deliveries/s"))
            continue
        ratio = rate(measured.ours) / middle(measured.loop)
        goal, met = ("at least 0.2 of the bare loop", ratio >= 0.2) if webhooks == _USUAL else ("", None)
        note = f"bare loop {shown(middle(measured.loop))} POSTs/s"
        figures.append(Figure(_name(webhooks), rate(measured.ours), "deliveries/s", note, ratio, goal, met))
    return figures


def _against_httpx(measured: Rounds) -> list[Figure]:
    ratio = rate(measured.ours) / middle(measured.httpx)
    note, goal = f"httpx {shown(middle(measured.httpx))} POSTs/s", "at least 2 times httpx"
    return [Figure(f"{_name(_USUAL)}, to httpx", rate(measured.ours), "deliveries/s", note, ratio, goal, ratio >= 2)]


def _against_fewer(rounds: dict[int, Rounds]) -> list[Figure]:
    many, usual = rate(rounds[_MANY].ours), rate(rounds[_USUAL].ours)
    measure, goal = f"{_name(_MANY)}, to {_USUAL}", f"at least 0.9 of {_USUAL}"
    return [Figure(measure, many, "deliveries/s", "", many / usual, goal, many / usual >= 0.9)]


def _cpu(rounds: dict[int, Rounds]) -> list[Figure]:
    return [
        Figure(f"drain, CPU of one delivery, {_webhooks(webhooks)}", cpu_us(measured.ours), "µs")
        for webhooks, measured in rounds.items()
    ]


def _name(webhooks: int) -> str:
    return f"drain, {_webhooks(webhooks)}"


def _webhooks(count: int) -> str:
    return f"{count:,} webhooks"
