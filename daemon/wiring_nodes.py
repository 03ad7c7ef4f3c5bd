"""Builds what people see of the nodes that share the database."""

import socket
from collections.abc import Callable

import trio

from daemon import __version__
from daemon.delivery.fleet import Fleet
from daemon.domain.clock import Clock
from daemon.management.node_report import Reporter
from daemon.management.nodes import OnlyNode
from daemon.store.node_lives import NodeLife
from daemon.store.nodes import Terms
from daemon.telemetry.metrics import Metrics

_ALL_SHARDS = 256


def reporter(
    fleet: Fleet, metrics: Metrics, *, sealing: Callable[[], str] = str, terms: Callable[[], Terms] = Terms
) -> Reporter:
    """Return what makes this node's reports."""
    return Reporter(
        lambda: metrics.recently_accepted.last_minute, lambda: fleet.parked_webhooks, sealing=sealing, terms=terms
    )


def only_node(clock: Clock, fleet: Fleet, metrics: Metrics) -> OnlyNode:
    """Return this process as the only node there is."""
    started, host, reports = trio.current_time(), socket.gethostname(), reporter(fleet, metrics)

    def life() -> NodeLife:
        now = reports.now()
        return NodeLife(
            number=1,
            name=host,
            host=host,
            version=__version__,
            since=clock.now_ms() - round((trio.current_time() - started) * 1000),
            shards=_ALL_SHARDS,
            pace=now.pace,
            parked=now.parked,
        )

    return OnlyNode(life)
