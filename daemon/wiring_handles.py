"""Builds the handles that the HTTP edge gets from the daemon."""

from collections.abc import Callable
from functools import partial

from daemon.delivery.sent_request import sent_request
from daemon.handles import ConsoleHandles, Handles, HealthHandles, SystemHandles
from daemon.wiring import Daemon


def handles_of(daemon: Daemon, not_ready: Callable[[], str | None]) -> Handles:
    """Return the handles; `not_ready()` says why no events are accepted, None if they are."""
    settings, store, telemetry = daemon.live.now, daemon.store, daemon.telemetry
    return Handles(
        settings=settings,
        api_settings=lambda: daemon.live.now.api,
        event_types=daemon.event_types,
        router=daemon.router,
        teams=daemon.teams,
        webhooks=daemon.webhooks,
        replays=daemon.replays,
        bulk_jobs=daemon.bulk_jobs,
        erasing=daemon.erasing,
        portal_links=daemon.portal_links,
        live_listeners=daemon.live_listeners,
        addresses=daemon.addresses,
        nodes=daemon.nodes,
        kept_answers=daemon.kept_answers,
        reader=store.reader,
        api_keys=daemon.api_keys,
        note_key_use=daemon.key_uses.note,
        check_url=daemon.check_url,
        check_proxy=daemon.check_proxy,
        is_parked=daemon.fleet.is_parked,
        filter_failures=daemon.router.filters.failures_of,
        now_ms=daemon.clock.now_ms,
        log=telemetry.log,
        metrics=telemetry.metrics,
        cursor_key=daemon.vault.derive("cursors"),
        follow=None if daemon.node is None else daemon.node.feed.catch_up,
        health=HealthHandles(
            not_ready=not_ready,
            store_failure=store.writer.failure,
            check_store=store.writer.prove,
            refresh_metrics=daemon.gauges.refresh,
        ),
        system=SystemHandles(
            started_at=daemon.started_at,
            actors_alive=lambda: daemon.fleet.alive,
            parked_webhooks=lambda: daemon.fleet.parked_webhooks,
            waiting_events=lambda: daemon.router.waiting_events,
            minutes=lambda: daemon.last_hour.minutes,
        ),
        console=ConsoleHandles(
            session_key=daemon.vault.derive("console sessions"),
            shown_once_key=daemon.vault.derive("secrets shown once"),
            sign_outs=daemon.sign_outs,
            changes=telemetry.changes,
        ),
        sent_request=partial(sent_request, vault=daemon.vault),
    )
