"""The membership protocol in virtual time, over a registry in memory."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.shards import SHARDS
from tests.cluster.simulated_node import SimulatedNode
from tests.cluster.simulated_registry import LEASE_S, SimulatedRegistry
from tests.cluster.waiting import until

SETTLE_S = 10


@pytest.fixture
def registry() -> SimulatedRegistry:
    return SimulatedRegistry()


@pytest.fixture
def make_node(registry: SimulatedRegistry) -> Callable[[str], SimulatedNode]:
    return lambda name: SimulatedNode(name, registry.view())


def owned_by(*nodes: SimulatedNode) -> list[int]:
    return sorted(shard for node in nodes for shard in node.membership.shards)


async def test_one_node_alone_delivers_for_every_webhook(
    make_node: Callable[[str], SimulatedNode], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    node = make_node("a")
    nursery.start_soon(node.run)
    await trio.sleep(SETTLE_S)
    assert owned_by(node) == list(range(SHARDS))
    assert node.claimed == [frozenset(range(SHARDS))]


async def test_nodes_share_the_shards_evenly_and_each_shard_has_one_owner(
    make_node: Callable[[str], SimulatedNode], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    nodes = [make_node(name) for name in "abc"]
    for node in nodes:
        nursery.start_soon(node.run)
        await trio.sleep(SETTLE_S)
    assert owned_by(*nodes) == list(range(SHARDS))
    assert sorted(len(node.membership.shards) for node in nodes) == [84, 86, 86]


async def test_a_shard_is_released_only_when_its_attempts_in_flight_have_ended(
    make_node: Callable[[str], SimulatedNode], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    first, second = make_node("a"), make_node("b")
    first.leaving_takes_s = 5
    nursery.start_soon(first.run)
    await trio.sleep(SETTLE_S)
    nursery.start_soon(second.run)
    await trio.sleep(4)
    assert len(first.membership.shards) == SHARDS // 2, "it begins nothing more for the others"
    assert not second.membership.shards, "but what is in flight ends first"
    await trio.sleep(SETTLE_S)
    assert owned_by(first, second) == list(range(SHARDS))


async def test_the_shards_of_a_dead_node_are_taken_over_within_five_seconds(
    make_node: Callable[[str], SimulatedNode], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    dead, heir = make_node("a"), make_node("b")
    async with trio.open_nursery() as life:
        life.start_soon(dead.run)
        nursery.start_soon(heir.run)
        await trio.sleep(SETTLE_S)
        life.cancel_scope.cancel()
    await until(lambda: len(heir.membership.shards) == SHARDS, within_s=5)


async def test_a_node_that_was_taken_for_dead_drops_everything_before_it_joins_again(
    make_node: Callable[[str], SimulatedNode],
    registry: SimulatedRegistry,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    node = make_node("a")
    nursery.start_soon(node.run)
    await trio.sleep(SETTLE_S)
    former = node.membership.node
    assert former
    registry.lives[former].ended = True
    await trio.sleep(SETTLE_S)
    assert node.fenced == 1
    assert node.membership.node not in (0, former)
    assert owned_by(node) == list(range(SHARDS))


async def test_while_the_database_is_away_no_attempt_begins_and_nobody_is_judged_after_it(
    make_node: Callable[[str], SimulatedNode], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    nodes = [make_node(name) for name in "abc"]
    for node in nodes:
        nursery.start_soon(node.run)
    await trio.sleep(2 * SETTLE_S)
    owned = [node.membership.shards for node in nodes]
    for node in nodes:
        node.registry.away = True
    await trio.sleep(LEASE_S)
    assert not any(node.may_deliver for node in nodes), "each stops before its lease is over"
    await trio.sleep(60)
    for node in nodes:
        node.registry.away = False
    await trio.sleep(SETTLE_S)
    assert [node.membership.shards for node in nodes] == owned
    assert all(node.may_deliver for node in nodes)
    assert sum(node.fenced for node in nodes) == 0


async def test_a_node_stops_beginning_attempts_before_another_may_take_over(
    make_node: Callable[[str], SimulatedNode],
    registry: SimulatedRegistry,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    cut_off, other = make_node("a"), make_node("b")
    for node in (cut_off, other):
        nursery.start_soon(node.run)
    await trio.sleep(2 * SETTLE_S)
    cut_off.registry.away = True
    while registry.passes_fence(cut_off.membership.node):
        began = cut_off.may_deliver
        await trio.sleep(0.05)
    assert not began, "its own lease was over when the other node ended its life"


async def test_a_drained_node_keeps_its_membership_and_gives_up_its_shards(
    make_node: Callable[[str], SimulatedNode], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    leaving, staying = make_node("a"), make_node("b")
    for node in (leaving, staying):
        nursery.start_soon(node.run)
    await trio.sleep(SETTLE_S)
    leaving.membership.drain()
    await trio.sleep(SETTLE_S)
    assert leaving.membership.node
    assert not leaving.membership.shards
    assert owned_by(staying) == list(range(SHARDS))
