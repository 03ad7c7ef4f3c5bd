"""Builds the actors that keep the database in order; `daemon.wiring` connects them with the other parts."""

from collections.abc import Awaitable, Callable, Mapping

from daemon.config.reload import LiveSettings
from daemon.domain.clock import Clock
from daemon.maintenance.checkpointer import Checkpointer
from daemon.maintenance.cleaner import Cleaner
from daemon.maintenance.time_indexer import TimeIndexer
from daemon.seams import Seams
from daemon.store.engine import Engine
from daemon.store.hold_commands import PruneHolds
from daemon.store.nodes import PruneFeed
from daemon.store.request_commands import PruneRequests
from daemon.store.store import Store
from daemon.telemetry.metrics import ActorKind
from daemon.telemetry.telemetry import Telemetry

_PRUNED_AT_ONCE = 500
# What nodes that share a database forget besides what a single one does.
_SHARED_UPKEEP = (PruneRequests(_PRUNED_AT_ONCE), PruneHolds(_PRUNED_AT_ONCE), PruneFeed(_PRUNED_AT_ONCE))


def maintenance(
    live: LiveSettings, *, store: Store, clock: Clock, telemetry: Telemetry, has_others: bool
) -> Mapping[ActorKind, Callable[[], Awaitable[None]]]:
    """Return the actors that one process, or one node of several, runs."""
    cleaner = Cleaner(
        store=store,
        clock=clock,
        telemetry=telemetry,
        retention_days=lambda: live.now.retention.days,
        also=_SHARED_UPKEEP if has_others else (),
    )
    return {
        ActorKind.HOUSEKEEPER: cleaner.run,
        ActorKind.TIME_INDEXER: TimeIndexer(store=store, telemetry=telemetry, others=has_others).run,
    }


def checkpointer_of(database: Engine, *, store: Store, telemetry: Telemetry, seams: Seams) -> Checkpointer | None:
    """Return what keeps the database's log short, None for a database without one of ours."""
    wal = database.checkpoint_apart()
    if wal is None:
        return None
    return Checkpointer(store=store, telemetry=telemetry, wal=wal, run_in_thread=seams.run_checkpoint)
