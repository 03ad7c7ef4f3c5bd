"""What is seen of several nodes: who lives and does what, draining one, readiness, metrics."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.cluster.comparing import log_differences
from daemon.domain.errors import NobodyTakesOver
from daemon.domain.shards import SHARDS
from daemon.store.node_lives import NodeLife
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.inspect import inspect
from tests.cluster.real_nodes import Cluster, until_shared
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon

PREFIX = "kakiyo_webhooks_"


async def living(daemon: RunningDaemon) -> dict[str, NodeLife]:
    return {life.name: life for life in await daemon.parts.nodes.lives() if life.ended_at is None}


def metric(daemon: RunningDaemon, name: str) -> float:
    text = daemon.parts.telemetry.metrics.render().decode()
    [value] = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == PREFIX + name
    ]
    return value


async def test_each_node_sees_all_with_their_shards_and_leases(pair: tuple[RunningDaemon, RunningDaemon]) -> None:
    for daemon in pair:
        seen = await living(daemon)
        assert set(seen) == {"a", "b"}
        assert sum(life.shards for life in seen.values()) == SHARDS
        for life in seen.values():
            assert life.lease_age_ms is not None
            assert life.lease_age_ms < 3_000
            assert (life.pace, life.parked) == (0.0, ())


async def test_a_node_with_another_setting_is_seen_by_all(cluster: Cluster) -> None:
    async with cluster.node("a") as first:
        cluster.sections = {"retention": {"days": 7}}
        async with cluster.node("b") as second:
            for daemon in (first, second):
                seen = await living(daemon)
                assert seen["a"].differences == ()
                assert seen["b"].differences == ("retention.days is 7 on b, and 30 on a",)
            assert second.parts.node is not None
            await log_differences(
                second.parts.nodes.lives, second.parts.node.membership.node, second.parts.telemetry.log
            )
            assert [line["reason"] for line in second.log_lines("node_settings_differ")] == list(seen["b"].differences)


async def test_a_drained_node_gives_all_away_and_goes_on_accepting(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    [life] = await second.parts.nodes.drain("a")
    assert life.draining
    await until_shared(second)
    team = await first.team()
    await first.webhook(team, "https://receiver.example/hook")
    await first.submit(team, 1)
    await until(lambda: len(cluster.receiver.arrivals) == 1, within_s=10)
    with pytest.raises(NobodyTakesOver):
        await first.parts.nodes.drain("b")
    assert (await living(first))["a"].shards == 0


async def test_each_nodes_metrics_tell_of_its_lease_and_shards(pair: tuple[RunningDaemon, RunningDaemon]) -> None:
    assert sum(metric(daemon, "shards_owned") for daemon in pair) == SHARDS
    for daemon in pair:
        assert metric(daemon, "lease_held") == 1
        assert metric(daemon, "leases_lost_total") == 0
        assert metric(daemon, "waiting_requests") == 0
        assert metric(daemon, "doubtful_commits_total") == 0
        assert metric(daemon, "shards_claimed_total") >= SHARDS / 2
        assert metric(daemon, "notify_echo_age_seconds") < 5
        await daemon.parts.gauges.refresh()
        assert metric(daemon, "database_bytes") > 1_000_000
        rendered = daemon.parts.telemetry.metrics.render()
        assert b"state_dir" not in rendered
        assert b"wal_bytes" not in rendered


async def test_a_node_without_a_lease_is_not_ready(pair: tuple[RunningDaemon, RunningDaemon]) -> None:
    first, second = pair
    assert first.parts.node is not None
    assert second.parts.node is not None
    membership = first.parts.node.membership
    assert membership.not_ready() is None
    membership.lease.end()
    assert membership.not_ready() == "the database is away"
    assert metric(first, "lease_held") == 0
    assert second.parts.node.membership.not_ready() is None


async def test_doctor_finds_every_shard_with_a_node_and_who_ended_without_leaving(
    cluster: Cluster, address: Address
) -> None:
    async with cluster.node("b") as second:
        async with cluster.node("a") as first:
            await until_shared(first, second)
            found = inspect(address.url, None, grace_s=0, seal_length=4).cluster
            assert found is not None
            assert (found.living, found.ownerless_shards, list(found.lost_lives)) == (2, 0, [])
        # Leaving the block was a crash.
        await until_shared(second)
        found = inspect(address.url, None, grace_s=0, seal_length=4).cluster
        assert found is not None
        assert (found.living, found.ownerless_shards, list(found.lost_lives)) == (1, 0, [("a", "its lease was over")])
