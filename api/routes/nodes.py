"""The nodes that share the database (contract "HTTP API")."""

from typing import Literal

from pydantic import Field

from api.http.cursors import page_of, position_of
from api.http.errors import Code, not_found
from api.http.route import Access, Call, Route
from api.http.wire import Output, OutputTime, Page, PageQuery, format_optional_time, format_time
from daemon.store.node_lives import NodeLife

State = Literal["living", "draining", "ended"]


class Node(Output):
    """One life of a node: from joining until it leaves or is found dead."""

    number: int = Field(description="The number of this life, which is never used again.")
    name: str = Field(description="The node's name.")
    host: str = Field(description="The name of its machine.")
    version: str = Field(description="The version that it runs.")
    state: State = Field(description="`draining` while it gives its shards to the others, and afterwards.")
    shards: int = Field(description="How many of the 256 shards it delivers for.")
    since: OutputTime = Field(description="When it joined.")
    lease_age_ms: int | None = Field(description="Since it renewed its lease (ms); null without one.")
    events_per_second: float | None = Field(description="How many it accepts, as it said last; null if it did not.")
    parked_webhooks: list[str] | None = Field(
        description="The first of its webhooks that rest because the daemon crashed on them; null if it did not say."
    )
    differences: list[str] = Field(
        description="In which settings it differs from most of the nodes that live, a sentence for each."
    )
    ended_at: OutputTime | None = Field(description="When this life ended, if it has.")
    ended_because: str | None = Field(description="How it ended.")


class DrainedNodes(Output):
    """The living nodes of a name."""

    items: list[Node] = Field(description="They give their shards to the others, or have.")


async def list_nodes(call: Call, query: PageQuery) -> Page[Node]:
    """Answer with the nodes that live, and those that ended within the last hour, the newest first."""
    position = position_of(call, query.cursor)
    lives = [life for life in await call.handles.nodes.lives() if position is None or life.number < position]
    page = lives[: query.limit]
    return page_of(call, map(show_node, page), page[-1].number if len(lives) > len(page) else None)


async def drain_node(call: Call, name: str) -> DrainedNodes:
    """Have a node give its shards to the others."""
    lives = await call.handles.nodes.drain(name)
    if not lives:
        raise not_found("living node")
    return DrainedNodes(items=list(map(show_node, lives)))


def state_of(life: NodeLife) -> State:
    """Return how a node is."""
    if life.ended_at is not None:
        return "ended"
    return "draining" if life.draining else "living"


def show_node(life: NodeLife) -> Node:
    """Return a node as it goes over the wire."""
    return Node(
        number=life.number,
        name=life.name,
        host=life.host,
        version=life.version,
        state=state_of(life),
        shards=life.shards,
        since=format_time(life.since),
        lease_age_ms=life.lease_age_ms,
        events_per_second=life.pace,
        parked_webhooks=None if life.parked is None else list(life.parked),
        differences=list(life.differences),
        ended_at=format_optional_time(life.ended_at),
        ended_because=life.why,
    )


_EXAMPLE = {
    "number": 7,
    "name": "hooks-1",
    "host": "hooks-1",
    "version": "0.3.0",
    "state": "living",
    "shards": 86,
    "since": "2025-07-15T10:30:00.000Z",
    "leaseAgeMs": 210,
    "eventsPerSecond": 41.5,
    "parkedWebhooks": [],
    "differences": [],
    "endedAt": None,
    "endedBecause": None,
}

ROUTES = (
    Route(
        "GET",
        "/v1/nodes",
        list_nodes,
        tag="Operation",
        summary="List nodes",
        description=(
            "The nodes that share the database: those that live, and those that ended within the last hour, the newest "
            "first. On SQLite it is the daemon that answers."
        ),
        access=Access.OPERATOR,
        query=PageQuery,
        answer=Page[Node],
        example={"items": [_EXAMPLE], "nextCursor": None},
    ),
    Route(
        "POST",
        "/v1/nodes/{name}/drain",
        drain_node,
        tag="Operation",
        summary="Drain a node",
        description=(
            "The living nodes of this name finish their attempts in flight, give all shards to the others, and take "
            "none until they are started again. They go on accepting. It may be repeated."
        ),
        access=Access.OPERATOR,
        answer=DrainedNodes,
        example={"items": [{**_EXAMPLE, "state": "draining", "shards": 12}]},
        refusals=(Code.NOT_FOUND, Code.NO_OTHER_NODE),
    ),
)
