"""The log lines and spans of accepted events, written outside the commits (contract "Log, metrics and diagnosis")."""

from collections.abc import Mapping, Sequence
from itertools import islice, starmap
from typing import Any

import trio

from daemon.domain.clock import rfc_3339
from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.ids import fan_out_delivery_id
from daemon.domain.submission import MatchedEvent
from daemon.domain.trace_context import trace_id_of
from daemon.store.commands import AcceptEvents
from daemon.telemetry.log import info_each
from daemon.telemetry.telemetry import Telemetry

_DELIVERIES_PER_LINE = 100
_LINES_AT_ONCE = 50


async def log_accepted(
    accepted: trio.MemoryReceiveChannel[Sequence[AcceptEvents]], logged: trio.Event, *, telemetry: Telemetry
) -> None:
    """Log each event of these commits, in order, until the channel is closed; then set `logged`."""
    async for commands in accepted:
        events = ((command, matched) for command in commands for matched in command.events)
        while some := list(islice(events, _LINES_AT_ONCE)):
            for _, matched in some:
                telemetry.spans.event_accepted(matched.event, matched.delivery_count)
            info_each(telemetry.log, "event_accepted", starmap(_fields, some))
            if len(some) == _LINES_AT_ONCE:
                await trio.lowlevel.checkpoint()
    logged.set()


def _fields(command: AcceptEvents, matched: MatchedEvent) -> Mapping[str, Any]:
    event = matched.event
    return {
        "eventId": event.id,
        "eventType": event.type,
        "teamId": event.team_id,
        "deliveries": matched.delivery_count,
        "deliveryIds": _first_delivery_ids(command, matched),
        "test": event.test,
        "traceId": trace_id_of(event.traceparent),
        **({} if event.terms is None else _terms(event.terms)),
    }


def _terms(terms: DeliveryTerms) -> Mapping[str, Any]:
    times = {"deliverAt": terms.deliver_at, "expiresAt": terms.expires_at}
    shown = {name: rfc_3339(at) for name, at in times.items() if at is not None}
    return {**shown, "priority": "low"} if terms.low else shown


def _first_delivery_ids(command: AcceptEvents, matched: MatchedEvent) -> list[str]:
    """Return the ids of the event's deliveries, including those still to be created."""
    event = matched.event
    if not matched.deferred_deliveries:
        return [delivery_id for delivery_id, _ in matched.deliveries[:_DELIVERIES_PER_LINE]]
    webhook_ids = command.fan_outs[event.team_id][event.type][:_DELIVERIES_PER_LINE]
    return [fan_out_delivery_id(event.id, webhook_id) for webhook_id in webhook_ids]
