"""Event types that are added at one node and used at another (contract "Event types", "Several nodes")."""

import orjson

from api.app import create_app
from daemon.domain.event_types import EventType, EventTypeEdit, KnownTypes
from daemon.wiring_handles import handles_of
from tests.cluster.waiting import until
from tests.support.api_client import ApiClient
from tests.support.daemon import RunningDaemon

SCORED = EventType(
    "prospect.scored",
    "A prospect was given a score",
    category="custom",
    example={"score": 1},
    schema=orjson.dumps({"required": ["score"]}),
    validate=True,
)


def client_of(node: RunningDaemon) -> ApiClient:
    return ApiClient(create_app(handles_of(node.parts, lambda: None)))


def known_to(node: RunningDaemon) -> KnownTypes:
    return node.parts.event_types.known


async def test_what_was_added_at_one_node_is_submitted_to_another_at_once(
    pair: tuple[RunningDaemon, RunningDaemon],
) -> None:
    first, second = pair
    team, there = await first.team(), client_of(second)
    body = {"event": SCORED.name, "teamId": team.id, "data": {"score": 1}}
    assert (await there.post("/v1/events", body)).paths == ["$.event"]
    await first.parts.event_types.add(SCORED)
    assert (await there.post("/v1/events", body)).status == 202
    assert (await there.post("/v1/events", {**body, "data": {}})).paths == ["$.data.score"]
    assert (await there.post("/v1/events/batch", [{**body, "data": {}}])).paths == ["$[0].data.score"]


async def test_changes_versions_and_removals_reach_the_other_nodes(
    pair: tuple[RunningDaemon, RunningDaemon],
) -> None:
    first, second = pair
    await first.parts.event_types.add(SCORED)
    await until(lambda: SCORED.name in known_to(second).every)
    await first.parts.event_types.change(SCORED.name, EventTypeEdit(deprecated=True))
    await until(lambda: SCORED.name in known_to(second).deprecated)
    await second.parts.event_types.add_version(SCORED.name, b"true", example=None, after=1)
    await until(lambda: known_to(first).every[SCORED.name].version == 2)
    assert await second.parts.event_types.remove(SCORED.name)
    await until(lambda: SCORED.name not in known_to(first).every)
