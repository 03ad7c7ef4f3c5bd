"""Liveness, readiness and metrics (contract "HTTP API")."""

from typing import Literal

import trio
from pydantic import Field

from api.http.errors import ApiError, Code
from api.http.local import is_verified_local
from api.http.route import Access, Call, Route
from api.http.wire import Output
from daemon.domain.errors import StoreUnavailable
from daemon.telemetry.metrics import CONTENT_TYPE

_STORE_ANSWERS_WITHIN_S = 2


class Health(Output):
    """The process answers."""

    status: Literal["ok"] = Field(description="Always `ok`.")


class Readiness(Output):
    """Events are accepted."""

    status: Literal["ready"] = Field(description="Always `ready`.")


async def get_health(call: Call) -> Health:
    """Answer while the process lives."""
    return Health(status="ok")


async def get_readiness(call: Call) -> Readiness:
    """Answer 200 while events are accepted and the store answers; else say what is not ready."""
    reason = call.handles.health.not_ready() or await _store_problem(call, detailed=_may_see_details(call))
    if reason is not None:
        raise ApiError(Code.NOT_READY, f"{reason[0].upper()}{reason[1:]}: ask again in a second.")
    return Readiness(status="ready")


def _may_see_details(call: Call) -> bool:
    return call.principal.team_id is None or is_verified_local(call.request)


async def _store_problem(call: Call, *, detailed: bool) -> str | None:
    with trio.move_on_after(_STORE_ANSWERS_WITHIN_S):
        try:
            await call.handles.health.check_store()
        except StoreUnavailable as error:
            return str(error) if detailed else "the database is failing"
        return None
    return f"the store does not answer within {_STORE_ANSWERS_WITHIN_S} s"


async def get_metrics(call: Call) -> bytes:
    """Answer with all metrics."""
    await call.handles.health.refresh_metrics()
    return call.handles.metrics.render()


ROUTES = (
    Route(
        "GET",
        "/healthz",
        get_health,
        tag="Operation",
        summary="Is it alive?",
        description="200 while the process answers. Needs no key on the loopback address or the unix socket.",
        access=Access.LOCAL,
        answer=Health,
        example={"status": "ok"},
    ),
    Route(
        "GET",
        "/readyz",
        get_readiness,
        tag="Operation",
        summary="Is it ready?",
        description=(
            "200 while events are accepted; 503 with the reason while the daemon starts or stops, or its database "
            "is failing. A key is needed as for /healthz."
        ),
        access=Access.LOCAL,
        answer=Readiness,
        example={"status": "ready"},
        refusals=(Code.NOT_READY,),
    ),
    Route(
        "GET",
        "/metrics",
        get_metrics,
        tag="Operation",
        summary="Read the metrics",
        description=(
            "In Prometheus' text format. A local client needs no key if its Host header is the loopback address and "
            "the port, or localhost; all others, and any proxy or browser, need the operator's key."
        ),
        access=Access.LOCAL_OPERATOR,
        answer=str,
        media_type=CONTENT_TYPE,
        example="kakiyo_webhooks_events_accepted_total 12.0",
    ),
)
