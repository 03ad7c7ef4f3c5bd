"""Single events at a fixed rate, or as fast as they are answered, from a client in a process of its own."""

from collections.abc import Mapping

from tests.bench.daemon import MeasuredDaemon
from tests.bench.processes import python, run_json

AS_FAST_AS_ANSWERED = float("inf")
# So many that an answer that takes long holds no other event back.
_CONNECTIONS = 64


async def submit_paced(
    daemon: MeasuredDaemon, rate: float, events: int, *, connections: int = _CONNECTIONS
) -> Mapping[str, tuple[int, int]]:
    """Submit so many events, of all teams in turn; return when each was sent and its 202 was there, by its number."""
    port, key_file = daemon.installation.bind.rpartition(":")[2], daemon.installation.state_dir / "operator.key"
    command = python("paced_client", port, str(key_file), f"{rate:f}", str(events), str(connections))
    answered: dict[str, list[int]] = await run_json(command)
    return {number: (sent, read) for number, (sent, read) in answered.items()}
