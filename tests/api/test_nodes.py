"""The nodes that share the database, as the API shows and drains them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from api.app import create_app
from daemon import __version__
from daemon.domain.errors import NobodyTakesOver
from daemon.management.nodes import SharedNodes
from daemon.store.node_lives import Drained, NodeLife
from tests.support.api_client import RunningApi

LIFE = NodeLife(
    number=7,
    name="hooks-1",
    host="machine",
    version="1.2.3",
    since=1_752_575_400_000,
    shards=86,
    lease_age_ms=210,
    pace=41.5,
    parked=("wh_1",),
    differences=("retention.days is 7 on hooks-1, and 30 on hooks-2",),
)
ENDED = replace(
    LIFE, number=6, shards=0, lease_age_ms=None, pace=None, parked=None, ended_at=1_752_575_300_000, why="stopped"
)


@dataclass
class Cluster:
    """The store's side of a cluster."""

    lives: list[NodeLife]
    answer: Drained = Drained.BEGUN
    asked: list[str] = field(default_factory=list)

    async def read(self) -> Sequence[NodeLife]:
        return self.lives

    async def begin_draining(self, name: str) -> Drained:
        self.asked.append(name)
        if self.answer is Drained.BEGUN:
            self.lives = [replace(life, draining=life.draining or life.name == name) for life in self.lives]
        return self.answer


@pytest.fixture
def cluster() -> Cluster:
    return Cluster([replace(LIFE, number=8, name="hooks-2"), LIFE, ENDED])


@pytest.fixture
def shared(api: RunningApi, cluster: Cluster) -> RunningApi:
    """The same API, over nodes that share a database."""
    nodes = SharedNodes(cluster.read, cluster.begin_draining)
    app = create_app(replace(api.handles, nodes=nodes))
    return replace(api, operator=replace(api.operator, app=app))


async def test_on_sqlite_the_only_node_is_the_daemon_that_answers(api: RunningApi) -> None:
    [node] = (await api.operator.get("/v1/nodes")).value["items"]
    assert (node["state"], node["shards"], node["version"], node["leaseAgeMs"]) == ("living", 256, __version__, None)
    assert (node["eventsPerSecond"], node["parkedWebhooks"], node["endedAt"]) == (0.0, [], None)


async def test_on_sqlite_nothing_can_be_drained(api: RunningApi) -> None:
    [node] = (await api.operator.get("/v1/nodes")).value["items"]
    for name in (node["name"], "other"):
        refused = await api.operator.post(f"/v1/nodes/{name}/drain", {})
        assert (refused.status, refused.code) == (409, "no_other_node")
        assert refused.value["detail"] == (
            "No other process can take over from the only one on an SQLite database: stop it instead."
        )


async def test_all_nodes_are_shown_with_their_shards_pace_and_lease(shared: RunningApi) -> None:
    items: list[dict[str, Any]] = (await shared.operator.get("/v1/nodes")).value["items"]
    assert [(item["number"], item["name"], item["state"]) for item in items] == [
        (8, "hooks-2", "living"),
        (7, "hooks-1", "living"),
        (6, "hooks-1", "ended"),
    ]
    assert items[1] == {
        "number": 7,
        "name": "hooks-1",
        "host": "machine",
        "version": "1.2.3",
        "state": "living",
        "shards": 86,
        "since": "2025-07-15T10:30:00.000Z",
        "leaseAgeMs": 210,
        "eventsPerSecond": 41.5,
        "parkedWebhooks": ["wh_1"],
        "differences": ["retention.days is 7 on hooks-1, and 30 on hooks-2"],
        "endedAt": None,
        "endedBecause": None,
    }
    assert (items[2]["endedAt"], items[2]["endedBecause"]) == ("2025-07-15T10:28:20.000Z", "stopped")


async def test_the_list_comes_in_pages(shared: RunningApi) -> None:
    first = (await shared.operator.get("/v1/nodes", limit=2)).value
    second = (await shared.operator.get("/v1/nodes", limit=2, cursor=first["nextCursor"])).value
    assert [item["number"] for item in first["items"] + second["items"]] == [8, 7, 6]
    assert second["nextCursor"] is None


async def test_a_drained_node_says_so_and_may_be_asked_again(shared: RunningApi, cluster: Cluster) -> None:
    for _ in range(2):
        answer = await shared.operator.post("/v1/nodes/hooks-1/drain", {})
        assert answer.status == 200
        assert [(item["number"], item["state"]) for item in answer.value["items"]] == [(7, "draining")]
    assert cluster.asked == ["hooks-1", "hooks-1"]


async def test_a_name_that_no_living_node_has_is_not_found(shared: RunningApi, cluster: Cluster) -> None:
    cluster.answer = Drained.UNKNOWN
    assert (await shared.operator.post("/v1/nodes/nowhere/drain", {})).status == 404


async def test_the_last_node_is_not_drained(shared: RunningApi, cluster: Cluster) -> None:
    cluster.answer = Drained.NOBODY_TAKES_OVER
    refused = await shared.operator.post("/v1/nodes/hooks-1/drain", {})
    assert (refused.status, refused.code) == (409, "no_other_node")
    assert "start one first" in refused.value["detail"]
    with pytest.raises(NobodyTakesOver):
        await SharedNodes(cluster.read, cluster.begin_draining).drain("hooks-1")
