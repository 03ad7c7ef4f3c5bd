"""The list of deliveries, of a team and of one webhook."""

from collections.abc import Mapping
from typing import Any

from quart import Response

from api.console.pages.delivery_filter import CAUSE_CHOICES, STATUS_CHOICES, Filter, read_filter
from api.console.pages.lists import cursor, position
from api.console.pages.live import Parts, live
from api.console.session.page_request import PageRequest
from api.http.streamed import Streamed
from api.limits.rate_limit import tokens_for
from api.routes.delivery_waits import paced_webhooks, paused_webhooks
from daemon.domain.causes import in_words
from daemon.domain.model import Delivery
from daemon.store.reads import actor_reads, console_reads, delivery_reads
from daemon.store.reads.pagination import Page

_PAGE = 50
_WEBHOOKS_TO_CHOOSE = 100


async def show_deliveries(request: PageRequest) -> Response:
    """Show the team's deliveries, newest first."""
    return await request.page("deliveries.html", **await delivery_list(request, read_filter(request), "deliveries"))


async def follow_deliveries(request: PageRequest) -> Streamed:
    """Stream the first page of the list."""
    chosen = read_filter(request)

    async def make_parts() -> Parts:
        return {"delivery-rows": await delivery_rows(request, chosen)}

    return live(request, chosen.wanted.webhook_id, make_parts)


async def delivery_list(request: PageRequest, chosen: Filter, *parts: str, **kept: str) -> dict[str, Any]:
    """Return the template's values for a list of deliveries on the page with this path.

    `kept` is what else the page's query says: it stays, whatever is chosen of the list.
    """
    given = {name: value for name, value in chosen.given.items() if value}
    of = _list_name(chosen)
    is_first = not request.query("cursor")
    rows, next_position = [], None
    if not chosen.mistakes:
        found = await _find(request, chosen, position(request, of, **chosen.given))
        request.call.charge(tokens_for(rows=found.looked_at))
        rows, next_position = list(found.items), found.next_cursor
    return {
        **await shown_rows(request, rows, one_webhook=_is_of_one_webhook(chosen)),
        "chosen": chosen,
        "ticks": request.may_change,
        "statuses": _with_given(STATUS_CHOICES, chosen, "status"),
        "causes": _with_given(CAUSE_CHOICES, chosen, "cause"),
        "webhooks": await _webhook_choices(request, chosen),
        "event_types": {name: name for name in request.handles.every_type},
        "next_page": request.path(*parts, cursor=cursor(request, of, next_position, **given), **given, **kept)
        if next_position
        else "",
        "exports": {} if chosen.mistakes else _exports(request, given, chosen),
        "first_page": "" if is_first else request.path(*parts, **given, **kept),
        "kept": kept,
        "live": request.path(*parts, "live", **given, **kept) if is_first and not chosen.mistakes else "",
    }


def _exports(request: PageRequest, given: Mapping[str, str], chosen: Filter) -> dict[str, str]:
    """Return where the list and its attempts are as files, by what the links say."""
    of_list = {**given, "webhook": chosen.wanted.webhook_id or ""}
    attempts = {"of": "attempts", "format": "csv"}
    kinds = {"CSV": {"format": "csv"}, "NDJSON": {"format": "ndjson"}, "attempts as CSV": attempts}
    return {words: request.path("deliveries", "export", **of_list, **kind) for words, kind in kinds.items()}


async def delivery_rows(request: PageRequest, chosen: Filter) -> str:
    """Return the rows of the first page."""
    found = await _find(request, chosen, None)
    shown = await shown_rows(request, list(found.items), one_webhook=_is_of_one_webhook(chosen))
    return await request.fragment("delivery_rows.html", ticks=request.may_change, **shown)


async def shown_rows(request: PageRequest, rows: list[Delivery], *, one_webhook: bool = False) -> dict[str, Any]:
    """Return the template's values for rows of deliveries; those of a single webhook do not show its name."""
    last = await request.handles.reader.fetch(delivery_reads.last_attempts, rows)
    paused = await paused_webhooks(request.call, rows)
    paced = await paced_webhooks(request.call, rows)
    results = {
        delivery.id: in_words(
            delivery,
            last.get(delivery.id),
            is_paused=delivery.webhook_id in paused,
            is_paced=delivery.webhook_id in paced,
        )
        for delivery in rows
    }
    ids = {delivery.webhook_id for delivery in rows}
    names = await request.handles.reader.fetch(console_reads.webhook_names, ids) if ids and not one_webhook else {}
    return {"deliveries": rows, "results": results, "paused": paused, "names": names}


async def _find(request: PageRequest, chosen: Filter, before: int | None) -> Page[Delivery]:
    return await request.handles.reader.fetch(delivery_reads.list_deliveries, chosen.wanted, _PAGE, before)


async def _webhook_choices(request: PageRequest, chosen: Filter) -> Mapping[str, str]:
    """Return the names of the webhooks to choose from, none on the page of a single one; the chosen one is there."""
    if _is_of_one_webhook(chosen):
        return {}
    page = await request.handles.reader.fetch(console_reads.newest_webhooks, request.team_id, _WEBHOOKS_TO_CHOOSE)
    names = {webhook.id: webhook.name for webhook in page.items}
    given = chosen.given["webhook"]
    if given and given not in names:
        webhook = await request.handles.reader.fetch(actor_reads.webhook_or_deleted, given)
        names[given] = webhook.name if webhook is not None and webhook.team_id == request.team_id else given
    return names


def _with_given(choices: Mapping[str, str], chosen: Filter, field: str) -> Mapping[str, str]:
    given = chosen.given[field]
    return {**choices, given: given} if given and given not in choices else choices


def _list_name(chosen: Filter) -> str:
    return f"deliveries {chosen.wanted.webhook_id or ''}".strip()


def _is_of_one_webhook(chosen: Filter) -> bool:
    return chosen.wanted.webhook_id is not None and not chosen.given["webhook"]
