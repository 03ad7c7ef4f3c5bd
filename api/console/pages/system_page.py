"""The System page, for the operator: health, the last hour, nodes, parked webhooks and waiting mails."""

from collections.abc import Sequence
from typing import Any

import trio
from quart import Response

from api.console.pages.live import Parts, live_every
from api.console.pages.system_pictures import show_hour
from api.console.session.page_request import PageRequest
from api.http.streamed import Streamed
from api.routes.nodes import state_of
from daemon import __version__
from daemon.domain.model import Webhook
from daemon.store.node_lives import NodeLife
from daemon.store.reads import api_reads, console_reads
from daemon.store.reads.backlog import count_backlog
from daemon.store.reads.gauge_reads import count_paused

_SHOWN = 20
_COUNTED = 100_000
_LOOK_EVERY_S = 5


async def show_system(request: PageRequest) -> Response:
    """Show the current state."""
    handles, system = request.handles, request.handles.system
    nodes = await handles.nodes.lives() if handles.nodes.are_shared else ()
    parked = _parked(system.parked_webhooks(), nodes)
    found = [await handles.reader.fetch(api_reads.get_webhook, webhook_id) for webhook_id in parked[:_SHOWN]]
    webhooks: list[Webhook] = [webhook for webhook in found if webhook is not None]
    return await request.page(
        "system.html",
        **(await _now(request) | show_hour(request)),
        nodes=[(life, state_of(life)) for life in nodes],
        parked_count=len(parked),
        parked=webhooks,
        paused_count=await handles.reader.fetch(count_paused, _COUNTED),
        paused=await handles.reader.fetch(console_reads.paused_webhooks, _SHOWN),
        mails=await handles.reader.fetch(console_reads.waiting_mails, _SHOWN),
    )


async def follow_system(request: PageRequest) -> Streamed:
    """Stream what is so now, and the last hour."""

    async def make_parts() -> Parts:
        return {
            "system-now": await request.fragment("system_now.html", **await _now(request)),
            "system-hour": await request.fragment("system_hour.html", **show_hour(request)),
        }

    return live_every(request, _LOOK_EVERY_S, make_parts)


async def _now(request: PageRequest) -> dict[str, Any]:
    handles, health, system = request.handles, request.handles.health, request.handles.system
    return {
        "is_ready": health.not_ready() is None and health.store_failure() is None,
        "is_shared": handles.nodes.are_shared,
        "version": __version__,
        "started_at": request.now - round((trio.current_time() - system.started_at) * 1000),
        "recently_accepted": handles.metrics.recently_accepted.last_minute,
        "recently_ended": handles.metrics.recently_ended.last_minute,
        "backlog": await count_backlog(handles.reader, limit=_COUNTED),
        "waiting_events": system.waiting_events(),
        "actors_alive": system.actors_alive(),
        "settings": handles.settings,
    }


def _parked(here: Sequence[str], nodes: Sequence[NodeLife]) -> list[str]:
    """Return the parked webhooks of all nodes, as far as they told."""
    told = (webhook_id for life in nodes for webhook_id in life.parked or ())
    return list(dict.fromkeys((*here, *told)))
