"""The metrics that only a node that shares its database has."""

from prometheus_client import generate_latest

from daemon.telemetry.metrics import make_metrics
from daemon.telemetry.node_metrics import NodeCollector, NodeMetrics


def test_they_are_read_at_each_scrape_and_a_daemon_on_sqlite_has_none() -> None:
    shards = [256]
    metrics = make_metrics()
    assert b"kakiyo_webhooks_lease_held" not in metrics.render()
    read = NodeMetrics(
        lease_held=lambda: True,
        leases_lost=lambda: 1,
        shards_owned=lambda: shards[0],
        shards_claimed=lambda: 256,
        waiting_requests=lambda: 2,
        doubtful_commits=lambda: 3,
        notify_echo_age_s=lambda: 0.5,
    )
    metrics.registry.register(NodeCollector(read))
    shards[0] = 128
    lines = generate_latest(metrics.registry).decode().splitlines()
    assert [line for line in lines if line.split("{")[0].split(" ")[0] in NAMES] == [
        "kakiyo_webhooks_lease_held 1.0",
        "kakiyo_webhooks_leases_lost_total 1.0",
        "kakiyo_webhooks_shards_owned 128.0",
        "kakiyo_webhooks_shards_claimed_total 256.0",
        "kakiyo_webhooks_waiting_requests 2.0",
        "kakiyo_webhooks_doubtful_commits_total 3.0",
        "kakiyo_webhooks_notify_echo_age_seconds 0.5",
    ]


NAMES = {
    "kakiyo_webhooks_lease_held",
    "kakiyo_webhooks_leases_lost_total",
    "kakiyo_webhooks_shards_owned",
    "kakiyo_webhooks_shards_claimed_total",
    "kakiyo_webhooks_waiting_requests",
    "kakiyo_webhooks_doubtful_commits_total",
    "kakiyo_webhooks_notify_echo_age_seconds",
}
