"""Several deliveries at once where nodes share the webhooks (contract "Options of a webhook", `concurrency`)."""

from collections import Counter

from daemon.domain.webhook_options import WebhookOptions
from tests.cluster.real_nodes import Cluster, owns, until_shared
from tests.cluster.waiting import until

URL = "https://receiver.example/hook"


async def test_several_at_once_are_chosen_at_whichever_node_and_survive_a_takeover(cluster: Cluster) -> None:
    async with cluster.node("b") as survivor:
        async with cluster.node("a") as victim:
            await until_shared(survivor, victim)
            team = await victim.team()
            webhooks = [await victim.webhook(team, f"{URL}/{number}") for number in range(8)]
            for webhook in webhooks:
                options = WebhookOptions(concurrency=4)
                changed = await survivor.change(webhook, options=options, changed_options=("concurrency",))
                assert changed is not None
                assert changed.options == options
            await survivor.submit(team, *range(10))
        await until(lambda: all(owns(survivor, webhook) for webhook in webhooks))
        await survivor.submit(team, *range(10, 20))
        wanted = {(webhook.url, number) for webhook in webhooks for number in range(20)}
        await until(lambda: {(arrival.url, arrival.number) for arrival in cluster.receiver.arrivals} == wanted)
        times = Counter((arrival.url, arrival.number) for arrival in cluster.receiver.arrivals)
        assert max(Counter(url for (url, _), count in times.items() if count > 1).values(), default=0) <= 4 + 3
