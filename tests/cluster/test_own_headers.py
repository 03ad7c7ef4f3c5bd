"""Headers of a webhook's own where several nodes share the webhooks (contract "Options of a webhook")."""

from daemon.domain.custom_headers import CustomHeader
from daemon.domain.webhook_options import WebhookOptions
from tests.cluster.real_nodes import Cluster
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon

TOKEN = "Bearer s3cret-token"


async def test_headers_that_are_chosen_at_whichever_node_are_sent_from_the_next_attempt_on(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"https://receiver.example/{number}") for number in range(4)]
    secret = CustomHeader("Authorization", TOKEN, secret=True)
    kept = CustomHeader("authorization", None, secret=True), CustomHeader("X-Tenant", "acme")
    for webhook in webhooks:
        for node, headers in ((second, (secret,)), (first, kept)):
            changed = await node.change(webhook, options=WebhookOptions(headers=headers), changed_options=("headers",))
            assert changed is not None
            assert TOKEN not in str(changed.options)
    await second.submit(team, 1)
    await until(lambda: len(cluster.receiver.arrivals) == 4)
    for arrival in cluster.receiver.arrivals:
        assert (arrival.headers["authorization"], arrival.headers["x-tenant"]) == (TOKEN, "acme")
