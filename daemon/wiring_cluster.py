"""Builds what makes this process one node of several; `daemon.wiring` connects it with the other parts."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from daemon import __version__
from daemon.actors.threads import thread_runner
from daemon.cluster.answering import Answering
from daemon.cluster.caller import Caller
from daemon.cluster.feed import Feed
from daemon.cluster.held_credits import HeldCredits
from daemon.cluster.installation import installation_of
from daemon.cluster.lease import Lease
from daemon.cluster.listening import Echo
from daemon.cluster.live_answers import ClusterAnswers
from daemon.cluster.live_pages import LivePages
from daemon.cluster.membership import Membership
from daemon.cluster.memory import Memory
from daemon.cluster.node import Node
from daemon.cluster.requests import ClusterChanger, Requests
from daemon.cluster.wakes import Wakes
from daemon.config.settings import CreditsSettings, Settings
from daemon.config.shared_settings import shared_settings
from daemon.crypto.vault import Vault, key_id
from daemon.delivery.fleet import Fleet
from daemon.delivery.pace import Paces
from daemon.delivery.timers import Timers
from daemon.domain.clock import Clock
from daemon.live.registry import Listeners
from daemon.maintenance.opened_store import OpenedStore
from daemon.management.kept_answers import KeptAnswers
from daemon.management.node_report import Reporter
from daemon.management.nodes import SharedNodes
from daemon.management.webhook_changer import LocalChanger
from daemon.store.nodes import Identity, Terms
from daemon.store.reads.reader import Reader
from daemon.store.retry import retry_until_available
from daemon.store.schema import HEAD_REVISION
from daemon.store.shared_store import SharedStore
from daemon.store.store import Store
from daemon.telemetry.node_metrics import NodeCollector, NodeMetrics
from daemon.telemetry.telemetry import Telemetry
from daemon.wiring_delivery import ShareOfWork

# For membership, notices, the listener's connection.
_COORDINATING_THREADS = 4


@dataclass(frozen=True, slots=True)
class Share:
    """Who this node is, and how to get what its database offers to nodes that share it."""

    me: Identity
    open: Callable[[Reader], SharedStore]
    lease: Lease


def share_of(opened: OpenedStore, settings: Settings, lease: Lease) -> Share | None:
    """Return this process's share of a database that several nodes may use, None if it alone uses it.

    Raises ConfigError.
    """
    if (database := opened.shared) is None:
        return None
    from daemon.maintenance.postgresql_store import addresses_of
    from daemon.store.postgresql.shared_store import share

    _, notices = addresses_of(settings)
    keys = tuple(map(key_id, opened.key_file.keys))
    me = Identity(
        installation=installation_of(settings.state_dir),
        name=settings.store.effective_node_name,
        host=socket.gethostname(),
        version=__version__,
        terms=terms_of(settings, keys),
    )
    connect = partial(notices.connect, {}, autocommit=True)
    run_in_thread = thread_runner(_COORDINATING_THREADS)
    return Share(me, partial(share, database, connect=connect, run_in_thread=run_in_thread), lease)


def terms_of(settings: Settings, keys: tuple[str, ...]) -> Terms:
    """Return what a node with these settings and fingerprints of keys has to share with others."""
    return Terms(HEAD_REVISION, keys, shared_settings(settings))


class ClusterBuilder:
    """Builds the parts of a node, in the order in which the other parts need them."""

    def __init__(self, share: Share, credits: CreditsSettings, *, store: Store, telemetry: Telemetry) -> None:
        self._store = store
        self._telemetry = telemetry
        self._shared = share.open(store.reader)
        self._report: Callable[[], str] = lambda: "{}"
        self._caller = Caller(self._shared.notify, telemetry.log)
        self._membership = Membership(
            share.me,
            self._shared.registry,
            fence=self._shared.fence,
            lease=share.lease,
            report=lambda: self._report(),
            log=telemetry.log,
        )
        self.gate = HeldCredits(credits.per_delivery, credits.enforce, store=store, ownership=self._membership)
        if self.gate.enforced:
            self._shared.pay_from_holds()

    async def join(self, vault: Vault) -> int:
        """Become a member, however long that takes; return the version of what is in the database before it is read.

        From then on the vault seals with the key that all nodes seal with.

        Raises CopiedInstallation, NotAdmitted.
        """
        await self._membership.join()
        version = await retry_until_available(self._shared.version, self._telemetry.log)
        # It may have been changed since the database was opened; what changes it from now on is news.
        if (used := await retry_until_available(self._shared.key_in_use, self._telemetry.log)) is not None:
            vault.use(used)
        return version

    @property
    def share_of_work(self) -> ShareOfWork:
        """What this node does of all work."""
        shared = self._shared
        return ShareOfWork(owns=self._membership.owns, look=shared.look, read_pending=shared.read_pending)

    def wakes(self, fleet: Fleet, timers: Timers) -> Wakes:
        """Return what tells the owners of new deliveries."""
        return Wakes(fleet=fleet, timers=timers, owns=self._membership.owns, caller=self._caller)

    def node(
        self,
        version: int,
        memory: Memory,
        *,
        fleet: Fleet,
        listeners: Listeners,
        timers: Timers,
        paces: Paces,
        clock: Clock,
        kept_answers: KeptAnswers,
        reports: Reporter,
    ) -> Node:
        """Return the node, whole; `memory` was read at this version, or later."""
        self._report = reports.as_json
        live_pages, echo = LivePages(memory.changes, self._caller), Echo()
        memory.changes.pass_on = live_pages.published
        requests = Requests(
            ownership=self._membership,
            store=self._store,
            clock=clock,
            log=self._telemetry.log,
            notify=self._call_one,
        )
        changer = ClusterChanger(
            local=LocalChanger(fleet=fleet, kept_answers=kept_answers),
            ownership=self._membership,
            requests=requests,
            store=self._store,
            keeping=kept_answers.keeping,
        )
        self._telemetry.metrics.leave_out_file()
        self._telemetry.metrics.registry.register(NodeCollector(self._metrics(requests, echo)))
        return Node(
            changer=changer,
            requests=requests,
            answers=ClusterAnswers(listeners=listeners, ownership=self._membership, requests=requests),
            listeners=listeners,
            echo=echo,
            answering=Answering(
                request_change=fleet.request_change,
                listeners=listeners,
                ownership=self._membership,
                store=self._store,
                clock=clock,
                log=self._telemetry.log,
                notify=self._call_one,
            ),
            credits=self.gate,
            membership=self._membership,
            feed=Feed(version, self._shared.news_since, memory.apply, log=self._telemetry.log),
            caller=self._caller,
            live_pages=live_pages,
            fleet=fleet,
            timers=timers,
            paces=paces,
            fan_outs=memory.fan_outs,
            shared=self._shared,
            store=self._store,
            telemetry=self._telemetry,
        )

    @property
    def nodes(self) -> SharedNodes:
        """Return the nodes as people see them."""
        return SharedNodes(self._shared.lives, self._shared.begin_draining)

    def _metrics(self, requests: Requests, echo: Echo) -> NodeMetrics:
        membership = self._membership
        return NodeMetrics(
            lease_held=lambda: membership.not_ready() is None,
            leases_lost=lambda: max(0, membership.lives - 1),
            shards_owned=lambda: len(membership.shards),
            shards_claimed=lambda: membership.claims,
            waiting_requests=lambda: requests.waiting,
            doubtful_commits=self._shared.doubtful_commits,
            notify_echo_age_s=lambda: echo.age_s,
        )

    def _call_one(self, channel: str, item: str) -> None:
        self._caller.call(channel, (item,))
