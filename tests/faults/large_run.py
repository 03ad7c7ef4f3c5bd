"""Every command and query of the store on a database of millions, by the clock."""

from contextlib import closing
from pathlib import Path

from tests.store.large import COMMANDS, QUERIES, build, cost_of_command, cost_of_query

LONGEST_S = 0.1
# The best of these counts: a busy machine may hold up one.
_TRIES = 5


def slowest(directory: Path, count: int) -> tuple[str, float]:
    """Return which command or query takes longest with `count` pending deliveries, and how long (s)."""
    with closing(build(directory, count)) as database:
        took = {
            kind.__name__: min(cost_of_command(database, command).seconds for _ in range(_TRIES))
            for kind, command in COMMANDS.items()
        }
        for name, kinds in QUERIES.items():
            took[name] = max(min(cost_of_query(database, one).seconds for _ in range(_TRIES)) for one in kinds)
    return max(took.items(), key=lambda pair: pair[1])
