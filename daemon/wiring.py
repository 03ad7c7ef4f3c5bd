"""Builds the daemon from its parts; starts nothing."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import trio
from structlog.typing import FilteringBoundLogger

from daemon.cluster.memory import Memory
from daemon.cluster.node import Node
from daemon.config.reload import LiveSettings
from daemon.config.settings import Settings
from daemon.crypto.api_keys import ApiKeys
from daemon.crypto.vault import Vault
from daemon.delivery.canceller import Canceller
from daemon.delivery.fleet import Fleet
from daemon.delivery.owners import OnlyOwner
from daemon.delivery.pace import Paces
from daemon.delivery.resuming import resume
from daemon.delivery.router import Router
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.delivery.timers import Timers
from daemon.domain.clock import Clock, clock_of
from daemon.domain.errors import UrlNotAllowed
from daemon.handles import CheckUrl
from daemon.live.registry import Listeners
from daemon.mail.notifier import Notifier
from daemon.maintenance.gauges import GaugeRefresher, bind_gauges
from daemon.maintenance.last_hour import LastHour
from daemon.management.addresses import Addresses
from daemon.management.bulk_jobs import BulkJobs
from daemon.management.bulk_runner import BulkRunner
from daemon.management.eraser import Eraser
from daemon.management.erasing import Erasing
from daemon.management.event_types import EventTypes
from daemon.management.kept_answers import KeptAnswers
from daemon.management.key_uses import KeyUses
from daemon.management.listeners import LiveListeners
from daemon.management.nodes import Nodes
from daemon.management.portal_links import PortalLinks
from daemon.management.replays import Replays
from daemon.management.sign_outs import SignOuts
from daemon.management.teams import Teams
from daemon.management.webhook_changer import LocalChanger
from daemon.management.webhooks import Webhooks
from daemon.operations.payload import payload_maker
from daemon.operations.submitter import Submitter
from daemon.schemas.validator import Validator
from daemon.seams import Seams
from daemon.store.engine import Engine
from daemon.store.reads import actor_reads, event_type_reads
from daemon.store.reads.reader import Reader
from daemon.store.store import Store
from daemon.store.writes.writer import Writer
from daemon.telemetry.change_feed import ChangeFeed
from daemon.telemetry.metrics import ActorKind, Metrics
from daemon.telemetry.telemetry import Telemetry
from daemon.wiring_cluster import ClusterBuilder, Share, terms_of
from daemon.wiring_delivery import DeliveryBuilder, Following, ShareOfWork
from daemon.wiring_maintenance import checkpointer_of, maintenance
from daemon.wiring_management import ManagementBuilder
from daemon.wiring_nodes import only_node, reporter

_Run = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """Everything that runs. `upkeep` are the actors that nothing depends on immediately."""

    live: LiveSettings
    store: Store
    clock: Clock
    telemetry: Telemetry
    fleet: Fleet
    router: Router
    teams: Teams
    webhooks: Webhooks
    replays: Replays
    bulk_jobs: BulkJobs
    erasing: Erasing
    portal_links: PortalLinks
    listeners: Listeners
    live_listeners: LiveListeners
    addresses: Addresses
    event_types: EventTypes
    validator: Validator
    nodes: Nodes
    kept_answers: KeptAnswers
    notifier: Notifier
    gauges: GaugeRefresher
    last_hour: LastHour
    upkeep: Mapping[ActorKind, _Run]
    vault: Vault
    api_keys: ApiKeys
    sign_outs: SignOuts
    key_uses: KeyUses
    check_url: CheckUrl
    check_proxy: CheckUrl
    work_done: Callable[[], int]
    started_at: float
    node: Node | None = None


async def assemble(
    live: LiveSettings,
    database: Engine,
    *,
    vault: Vault,
    operator_key: str,
    seams: Seams,
    metrics: Metrics,
    log: FilteringBoundLogger,
    share: Share | None = None,
) -> Daemon:
    """Build the daemon on an open database, and load what it keeps in memory.

    With `share` it is one node of several, and waits until it is a member. Raises CopiedInstallation, NotAdmitted.
    """
    store = Store(Reader(database, seams.run_read, metrics.longest_read), Writer(database, seams.run_write, metrics))
    clock = clock_of(seams.now_ms, seams.chance)
    telemetry = Telemetry(log, metrics, changes=ChangeFeed(), spans=seams.spans)
    cluster = None if share is None else ClusterBuilder(share, live.now.credits, store=store, telemetry=telemetry)
    version = 0 if cluster is None else await cluster.join(vault)
    mine = ShareOfWork() if cluster is None else cluster.share_of_work
    index, team_ids = await _load_subscriptions(store), await _load_team_ids(store)
    key_uses = KeyUses(store=store, clock=clock, telemetry=telemetry)
    api_keys, sign_outs = await _load_api_keys(store, operator_key), await _load_sign_outs(store)
    management = ManagementBuilder(live, store=store, clock=clock, telemetry=telemetry, vault=vault)
    kept_answers, portal_links = management.kept_answers, management.portal_links()
    mail_links = management.mail_links(portal_links)
    validator = Validator(seams.run_validation)
    event_types = management.event_types(
        [event_type async for event_type in store.reader.each(event_type_reads.added_types, behind="")], validator
    )
    notifier = Notifier(
        store=store, clock=clock, telemetry=telemetry, send=seams.send_mail, with_link=mail_links.with_link
    )
    submitter = _submitter(live.now, store=store, telemetry=telemetry)
    gauges = GaugeRefresher(
        store=store, clock=clock, telemetry=telemetry, run_in_thread=seams.run_read, engine=database
    )

    last_hour = LastHour(store=store, clock=clock, telemetry=telemetry)
    listeners = Listeners(lambda: clock.new_id("att"))
    delivery = DeliveryBuilder(
        live, store=store, clock=clock, telemetry=telemetry, vault=vault, seams=seams, listeners=listeners
    )
    gate, canceller = delivery.credit_gate() if cluster is None else cluster.gate, delivery.canceller()
    timers = Timers(clock.now_ms)
    paces = Paces()
    fleet = delivery.fleet(
        index=index,
        gate=gate,
        paces=paces,
        notifier=notifier,
        submitter=submitter,
        canceller=canceller,
        timers=timers,
        share=mine,
    )
    owners = OnlyOwner(fleet, timers) if cluster is None else cluster.wakes(fleet, timers)
    fan_outs = await delivery.fan_outs(owners, mine)
    bulk_runner = BulkRunner(store=store, clock=clock, telemetry=telemetry, owners=owners)
    checkpointer = checkpointer_of(database, store=store, telemetry=telemetry, seams=seams)
    eraser = Eraser(
        store=store,
        clock=clock,
        telemetry=telemetry,
        on_erased=_nothing if checkpointer is None else checkpointer.empty,
    )
    memory = Memory(
        index=index,
        team_ids=team_ids,
        api_keys=api_keys,
        sign_outs=sign_outs,
        event_types=event_types,
        fan_outs=fan_outs,
        listeners=listeners,
        changes=telemetry.changes,
        granted=gate.look_again,
        look_for_work=partial(_wake_all, notifier, submitter, canceller, bulk_runner, eraser),
        seal_with=vault.use,
    )
    node = None
    if cluster is not None and share is not None:
        keys = share.me.terms.keys
        reports = reporter(fleet, metrics, sealing=lambda: vault.sealing, terms=lambda: terms_of(live.now, keys))
        node = cluster.node(
            version,
            memory,
            fleet=fleet,
            listeners=listeners,
            timers=timers,
            paces=paces,
            clock=clock,
            kept_answers=kept_answers,
            reports=reports,
        )
    following = Following() if node is None else Following(node.feed.catch_up, lambda: node.feed.version)
    filters = delivery.filters(index)
    resume_all = partial(resume, partial(store.reader.fetch, actor_reads.webhooks_with_work), fleet, log)
    router = delivery.router(
        owners=owners,
        fan_outs=fan_outs,
        index=index,
        filters=filters,
        team_ids=team_ids,
        following=following,
        revoked=api_keys.revoked,
        resume=resume_all if node is None else node.resume_own,
    )
    bind_gauges(telemetry, fleet=fleet, router=router, gate=gate, paces=paces, lookups=seams.lookups)

    upkeep: dict[ActorKind, _Run] = {
        ActorKind.NOTIFIER: notifier.run,
        ActorKind.SUBMITTER: partial(submitter.run, router.submit),
        ActorKind.CANCELLER: partial(canceller.run, owners.wake),
        **maintenance(live, store=store, clock=clock, telemetry=telemetry, has_others=node is not None),
    }
    if checkpointer is not None:
        upkeep[ActorKind.CHECKPOINTER] = checkpointer.run
    if node is not None:
        upkeep = {kind: node.only_once(run) for kind, run in upkeep.items()} | dict(node.patient)
    upkeep[ActorKind.OBSERVER] = gauges.run
    upkeep[ActorKind.LAST_HOUR] = last_hour.run
    upkeep[ActorKind.KEY_USES] = key_uses.run
    changer = LocalChanger(fleet=fleet, kept_answers=kept_answers) if node is None else node.changer
    run_bulk_jobs = partial(bulk_runner.run, changer)
    upkeep[ActorKind.BULK_JOBS] = run_bulk_jobs if node is None else node.only_once(run_bulk_jobs)
    run_eraser = partial(eraser.run, changer)
    upkeep[ActorKind.ERASER] = run_eraser if node is None else node.only_once(run_eraser)
    webhooks = management.webhooks(changer=changer, index=index)
    timed = delivery.timed(mine, fleet=fleet, resume=webhooks.resume_when_due, expire=webhooks.expire)
    upkeep[ActorKind.TIMERS] = partial(timers.run, timed)
    live_listeners = management.live_listeners(
        webhooks=webhooks, listeners=listeners, owns=mine.owns, answers=None if node is None else node.answers
    )
    upkeep[ActorKind.LIVE_LISTENERS] = live_listeners.run
    return Daemon(
        live=live,
        store=store,
        clock=clock,
        telemetry=telemetry,
        fleet=fleet,
        router=router,
        teams=management.teams(
            ids=team_ids,
            api_keys=api_keys,
            gate=gate,
            notifier=notifier,
            submitter=submitter,
            follow=following.follow,
        ),
        webhooks=webhooks,
        replays=management.replays(owners=owners, fan_outs=fan_outs, filters=filters),
        bulk_jobs=management.bulk_jobs(wake=bulk_runner.wake),
        erasing=management.erasing(wake=eraser.wake),
        portal_links=portal_links,
        listeners=listeners,
        live_listeners=live_listeners,
        addresses=management.addresses(mail_links=mail_links, notifier=notifier),
        event_types=event_types,
        validator=validator,
        nodes=only_node(clock, fleet, metrics) if cluster is None else cluster.nodes,
        kept_answers=kept_answers,
        notifier=notifier,
        gauges=gauges,
        last_hour=last_hour,
        upkeep=upkeep,
        vault=vault,
        api_keys=api_keys,
        sign_outs=sign_outs,
        key_uses=key_uses,
        check_url=partial(_check_url_and_log, seams.check_url, log),
        check_proxy=partial(_check_url_and_log, seams.check_proxy, log),
        work_done=lambda: database.progress.done,
        started_at=trio.current_time(),
        node=node,
    )


async def _load_subscriptions(store: Store) -> SubscriptionIndex:
    index = SubscriptionIndex()
    async for subscription in store.reader.each(actor_reads.subscriptions):
        index.add(subscription)
    return index


async def _load_team_ids(store: Store) -> set[str]:
    return {team_id async for team_id in store.reader.each(actor_reads.team_ids)}


async def _load_api_keys(store: Store, operator_key: str) -> ApiKeys:
    api_keys = ApiKeys(operator_key)
    async for digest, api_key in store.reader.each(actor_reads.valid_keys):
        api_keys.add(digest, api_key)
    return api_keys


async def _load_sign_outs(store: Store) -> SignOuts:
    sign_outs = SignOuts(store=store)
    async for ended in store.reader.each(actor_reads.ended_sessions, behind=""):
        sign_outs.remember(ended)
    return sign_outs


def _nothing() -> None:
    """Do nothing: there is no log to empty."""


def _wake_all(*actors: Notifier | Submitter | Canceller | BulkRunner | Eraser) -> None:
    for actor in actors:
        actor.wake()


def _submitter(settings: Settings, *, store: Store, telemetry: Telemetry) -> Submitter:
    # An address that nobody set leads nowhere but on this machine.
    public_url = settings.public_url if "public_url" in settings.model_fields_set else ""
    make_payload = payload_maker(settings.delivery.policy, public_url)
    return Submitter(store=store, telemetry=telemetry, make_payload=make_payload)


async def _check_url_and_log(check: CheckUrl, log: FilteringBoundLogger, url: str, team_id: str) -> None:
    try:
        await check(url, team_id)
    except UrlNotAllowed as error:
        log.info("url_refused", teamId=team_id, reason=error.rule, error=error.sentence, detail=error.detail)
        raise
