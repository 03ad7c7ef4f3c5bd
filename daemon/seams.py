"""Where tests put something else: time, chance, threads, the way out, the way of the mail."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from daemon.actors.threads import RunInThread, run_inline, thread_runner
from daemon.config.egress_proxy import egress_proxy
from daemon.config.reload import LiveSettings
from daemon.delivery.permit import ALWAYS, Permit
from daemon.domain.clock import Chance, NowMs, wall_clock_ms
from daemon.domain.errors import UrlNotAllowed
from daemon.egress.addresses import Address
from daemon.egress.client_tls import TlsContexts, own_tls_context
from daemon.egress.deadlines import Deadlines
from daemon.egress.lookups import Lookups
from daemon.egress.operator_proxy import OperatorProxy
from daemon.egress.proxy import parse_proxy
from daemon.egress.resolver import Resolver
from daemon.egress.tls import make_tls_context
from daemon.egress.transport import EndpointTransport, Transport
from daemon.egress.urls import EgressRules, check_host, check_url
from daemon.files.descriptors import UNLIMITED
from daemon.handles import CheckUrl
from daemon.mail.result import Send
from daemon.mail.sender import live_sender
from daemon.store.engine import READERS
from daemon.telemetry.tracing import NO_SPANS, Spans

# Lookups at a time, each with a socket; neither kind ever waits for the other.
_LOOKUPS_OF_DELIVERIES = 200
_LOOKUPS_OF_REGISTRATIONS = 50


@dataclass(frozen=True, slots=True)
class Seams:
    """Where tests put something else: time, threads, the way out, the way of the mail."""

    now_ms: NowMs
    run_write: RunInThread
    run_read: RunInThread
    run_checkpoint: RunInThread
    make_transport: Callable[[], Transport]
    check_url: CheckUrl
    check_proxy: CheckUrl
    send_mail: Send
    spans: Spans = NO_SPANS
    attempts_at_once: int = UNLIMITED
    lookups: Sequence[Lookups] = ()
    operator_proxy: OperatorProxy | None = None
    permit: Permit = ALWAYS
    chance: Chance = random.random
    run_validation: RunInThread = run_inline


def real_seams(live: LiveSettings, permit: Permit = ALWAYS) -> Seams:
    """Return the seams of production: time, threads, sockets, mail. Raises OSError for an unreadable CA file,
    ConfigError for a proxy's password.

    Nothing is sent while `permit` is not valid.
    """
    settings = live.now
    egress, resolver = settings.effective_egress, Resolver(settings.egress.nameservers)
    rules = EgressRules(egress.allow_http, egress.allow_networks)
    lookups, checks = Lookups(resolver, _LOOKUPS_OF_DELIVERIES), Lookups(resolver, _LOOKUPS_OF_REGISTRATIONS)
    ca_file, proxy = settings.egress.ca_file, egress_proxy(egress)
    tls = TlsContexts(make_tls_context(ca_file), partial(own_tls_context, ca_file=ca_file))
    operator_proxy = None if proxy is None else OperatorProxy(proxy)
    return Seams(
        now_ms=wall_clock_ms,
        run_write=thread_runner(1),
        run_read=thread_runner(READERS),
        run_checkpoint=thread_runner(2),  # how far commits get is looked at while it runs
        make_transport=partial(
            EndpointTransport,
            rules,
            lookups,
            tls=tls,
            deadlines=Deadlines(),
            idle_s=settings.delivery.idle_connection_s,
            may_send=lambda: permit.valid,
            operator_proxy=operator_proxy,
            webhook_proxies=egress.lets_webhooks_have_proxies,
        ),
        check_url=partial(_check_url, rules, checks, not egress.proxy_resolves),
        check_proxy=partial(check_proxy, rules, checks, egress.lets_webhooks_have_proxies),
        send_mail=live_sender(lambda: live.now),
        lookups=(lookups, checks),
        operator_proxy=operator_proxy,
        permit=permit,
        run_validation=thread_runner(1),
    )


async def _check_url(rules: EgressRules, lookups: Lookups, resolves: bool, url: str, team_id: str) -> None:
    await check_url(url, rules, lookups.resolver_for(team_id) if resolves else _unresolved)


async def check_proxy(rules: EgressRules, lookups: Lookups, allowed: bool, url: str, team_id: str) -> None:
    """Raise UrlNotAllowed if webhooks may have no proxies, if the URL names none, or for where it leads."""
    if not allowed:
        raise UrlNotAllowed("proxy", "all deliveries go through the operator's proxy: leave the webhook's own out")
    try:
        proxy = parse_proxy(url)
    except ValueError as error:
        raise UrlNotAllowed("proxy", str(error)) from None
    await check_host(proxy.host, proxy.port, rules, resolve=lookups.resolver_for(team_id))


async def _unresolved(_host: str, _port: int) -> Sequence[Address]:
    await trio.lowlevel.checkpoint()
    return ()
