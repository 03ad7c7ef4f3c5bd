"""What TLS costs: the drain of the usual backlog over https, beside the same over http."""

from tests.bench.backlog import Drained, cpu_us, drain, rate
from tests.bench.drain import usual_backlog
from tests.bench.figures import Figure, shown
from tests.bench.nginx import nginx
from tests.bench.workbench import Bench
from tests.support.tls import make_authority


async def measure_tls(bench: Bench) -> list[Figure]:
    """Measure both in turn; connections are kept alive, so each webhook shakes hands once."""
    plain: list[Drained] = []
    tls: list[Drained] = []
    authority = make_authority(bench.directory)
    trusting = {"egress": {"ca_file": str(authority.ca_file)}}
    async with nginx(bench.fresh("http")) as http, nginx(bench.fresh("https"), authority) as https:
        plain_backlog, tls_backlog = await usual_backlog(bench, http), await usual_backlog(bench, https)
        for _ in range(bench.rounds):
            bench.advance("http")
            plain.append(await drain(bench, plain_backlog, trusting))
            bench.advance("https")
            tls.append(await drain(bench, tls_backlog, trusting))
    return _figures(plain, tls)


def _figures(plain: list[Drained], tls: list[Drained]) -> list[Figure]:
    name = "drain over TLS, 50 webhooks"
    note = f"http {shown(rate(plain))} deliveries/s"
    cpu_note = f"http {shown(cpu_us(plain))} µs"
    return [
        Figure(name, rate(tls), "deliveries/s", note, rate(tls) / rate(plain)),
        Figure(f"{name}, CPU of one delivery", cpu_us(tls), "µs", cpu_note, cpu_us(tls) / cpu_us(plain)),
    ]
