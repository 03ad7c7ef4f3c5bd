"""Every suite of the bench, in the order in which they run."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.bench.accept import measure_accept
from tests.bench.backup import measure_backup
from tests.bench.console import measure_console
from tests.bench.drain import measure_drain
from tests.bench.end_to_end import measure_end_to_end
from tests.bench.figures import Figure
from tests.bench.growth import measure_growth
from tests.bench.isolation import measure_isolation
from tests.bench.memory import measure_memory
from tests.bench.nodes import measure_nodes
from tests.bench.one_webhook import measure_one_webhook
from tests.bench.peers import measure_peers
from tests.bench.quiet import measure_quiet
from tests.bench.recovery import measure_recovery
from tests.bench.retention import measure_retention
from tests.bench.tls import measure_tls
from tests.bench.workbench import Bench

_NO_BACKUP = "on PostgreSQL the daemon makes no backups, since pg_dump and base backups do"


@dataclass(frozen=True, slots=True)
class Suite:
    """Some measures that belong together; `steps` is how often a whole run of it moves the progress bar.

    One that is `comparable` relies on a daemon's public surface alone, so that it can measure another revision's too.
    `needs_a_file` says why it measures nothing where the daemon has no SQLite file.
    """

    name: str
    run: Callable[[Bench], Awaitable[list[Figure]]]
    steps: int
    comparable: bool = False
    needs_a_file: str = ""


SUITES = (
    Suite("accept", measure_accept, 21, comparable=True),
    Suite("drain", measure_drain, 17, comparable=True),
    Suite("one-webhook", measure_one_webhook, 6, comparable=True),
    Suite("tls", measure_tls, 6, comparable=True),
    Suite("end-to-end", measure_end_to_end, 13, comparable=True),
    Suite("peers", measure_peers, 9, comparable=True),
    Suite("quiet", measure_quiet, 15, comparable=True),
    Suite("nodes", measure_nodes, 12),
    Suite("isolation", measure_isolation, 10),
    Suite("memory", measure_memory, 6),
    Suite("recovery", measure_recovery, 15),
    Suite("growth", measure_growth, 20),
    Suite("console", measure_console, 27),
    Suite("backup", measure_backup, 13, needs_a_file=_NO_BACKUP),
    Suite("retention", measure_retention, 7),
)
