"""What one busy webhook gets: each of its deliveries waits for the one before, whatever else the daemon could do."""

from tests.bench.backlog import Drained, cpu_us, drain, make_backlog, rate
from tests.bench.drain import bare_loop
from tests.bench.figures import Figure, shown
from tests.bench.nginx import nginx
from tests.bench.workbench import Bench, middle

_DELIVERIES, _QUICK_DELIVERIES = 5_000, 1_000
_NAME = "one webhook"


async def measure_one_webhook(bench: Bench) -> list[Figure]:
    """Measure the drain of one webhook's backlog, beside a bare loop over one connection."""
    drained, loop = list[Drained](), list[float]()
    async with nginx(bench.fresh("nginx")) as receiver:
        backlog = await make_backlog(bench, receiver, 1, _QUICK_DELIVERIES if bench.quick else _DELIVERIES)
        for _ in range(bench.rounds):
            if bench.floors:
                bench.advance("the bare loop")
                loop.append(await bare_loop(bench, receiver, 1))
            bench.advance("drain")
            drained.append(await drain(bench, backlog))
    return [_rate(rate(drained), loop), Figure(f"{_NAME}, CPU of one delivery", cpu_us(drained), "µs")]


def _rate(delivered: float, loop: list[float]) -> Figure:
    if not loop:
        return Figure(f"{_NAME}, drain", delivered, "deliveries/s")
    note = f"bare loop {shown(middle(loop))} POSTs/s"
    return Figure(f"{_NAME}, drain", delivered, "deliveries/s", note, delivered / middle(loop))
