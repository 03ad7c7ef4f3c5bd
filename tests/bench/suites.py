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
from tests.bench.recovery import measure_recovery
from tests.bench.retention import measure_retention
from tests.bench.tls import measure_tls
from tests.bench.workbench import Bench


@dataclass(frozen=True, slots=True)
class Suite:
    """Some measures that belong together; `steps` is how often a whole run of it moves the progress bar."""

    name: str
    run: Callable[[Bench], Awaitable[list[Figure]]]
    steps: int


SUITES = (
    Suite("accept", measure_accept, 21),
    Suite("drain", measure_drain, 24),
    Suite("tls", measure_tls, 6),
    Suite("end-to-end", measure_end_to_end, 13),
    Suite("isolation", measure_isolation, 10),
    Suite("memory", measure_memory, 6),
    Suite("recovery", measure_recovery, 15),
    Suite("growth", measure_growth, 20),
    Suite("console", measure_console, 27),
    Suite("backup", measure_backup, 13),
    Suite("retention", measure_retention, 7),
)
