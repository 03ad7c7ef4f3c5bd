"""What delivering costs: a backlog over 1, 50 and 1,000 webhooks, beside loops that do only the POSTs."""

from dataclasses import dataclass, field

from tests.bench.backlog import Backlog, Drained, cpu_us, drain, make_backlog, rate
from tests.bench.delivery_request import write_request
from tests.bench.figures import Figure, shown
from tests.bench.nginx import Receiver, nginx
from tests.bench.processes import python, run_json
from tests.bench.workbench import Bench, middle

_FEW, _USUAL, _MANY = 1, 50, 1_000


@dataclass(frozen=True, slots=True)
class Rounds:
    """What was measured with one number of webhooks: the bare loop and httpx in POSTs per second."""

    ours: list[Drained] = field(default_factory=list)
    loop: list[float] = field(default_factory=list)
    httpx: list[float] = field(default_factory=list)


async def measure_drain(bench: Bench) -> list[Figure]:
    """Measure the drain of three backlogs, each beside the bare loop, the usual one beside httpx too."""
    rounds = {webhooks: Rounds() for webhooks in (_FEW, _USUAL, _MANY)}
    async with nginx(bench.fresh("nginx")) as receiver:
        backlogs = [_backlog(bench, receiver, webhooks) for webhooks in rounds]
        for _ in range(bench.rounds):
            for backlog in backlogs:
                await _measure_round(bench, receiver, backlog, rounds[backlog.webhooks])
    return [*_against_loop(rounds), *_against_httpx(rounds[_USUAL]), *_against_fewer(rounds), *_cpu(rounds)]


def usual_backlog(bench: Bench, url: str) -> Backlog:
    """Fill the backlog that others measure with too: 50 webhooks, half as many deliveries."""
    return make_backlog(bench, url, _USUAL, 2_000 if bench.quick else 10_000)


def _backlog(bench: Bench, receiver: Receiver, webhooks: int) -> Backlog:
    bench.advance(f"filling {_webhooks(webhooks)}")
    if webhooks == _FEW:
        return make_backlog(bench, receiver.url, webhooks, 500 if bench.quick else 3_000)
    return make_backlog(bench, receiver.url, webhooks, 2_000 if bench.quick else 20_000)


async def _measure_round(bench: Bench, receiver: Receiver, backlog: Backlog, rounds: Rounds) -> None:
    url, request = f"{receiver.url}/hooks/7", bench.directory / "request"
    rest = [str(backlog.webhooks), str(bench.seconds), str(write_request(request, url))]
    named = _webhooks(backlog.webhooks)
    bench.advance(f"{named}, the bare loop")
    rounds.loop.append(await _floor("floor_loop", str(receiver.port), *rest))
    if backlog.webhooks == _USUAL:
        bench.advance(f"{named}, httpx")
        rounds.httpx.append(await _floor("floor_httpx", url, *rest))
    bench.advance(named)
    rounds.ours.append(await drain(bench, backlog))


async def _floor(module: str, *arguments: str) -> float:
    done = await run_json(python(module, *arguments))
    return float(done["requests"] / done["seconds"])


def _against_loop(rounds: dict[int, Rounds]) -> list[Figure]:
    figures = []
    for webhooks, measured in rounds.items():
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
    return f"{count:,} webhook{'' if count == 1 else 's'}"
