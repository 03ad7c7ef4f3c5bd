"""A webhook's key pair where several nodes share the webhooks (contract "Options of a webhook")."""

from daemon.domain.signature_schemes import SignatureScheme
from daemon.domain.webhook_options import WebhookOptions
from tests.cluster.real_nodes import Cluster
from tests.cluster.waiting import until
from tests.security.test_signing_keys import public_key_of, verifies
from tests.support.daemon import RunningDaemon


async def test_a_key_pair_made_and_rotated_at_whichever_node_signs_from_the_next_attempt_on(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"https://receiver.example/{number}") for number in range(4)]
    keys = list[str]()
    for webhook in webhooks:
        given = WebhookOptions(signature_scheme=SignatureScheme.ED25519)
        made = await second.change(webhook, options=given, changed_options=("signature_scheme",))
        rotated = await first.parts.webhooks.rotate_secret(webhook.id, None, 0, signing_key=True)
        assert made is not None
        assert rotated is not None
        assert public_key_of(made) != public_key_of(rotated)
        keys.append(public_key_of(rotated))
    await second.submit(team, 1)
    await until(lambda: len(cluster.receiver.arrivals) == 4)
    for webhook, key in zip(webhooks, keys, strict=True):
        [arrival] = cluster.receiver.at(webhook.url)
        assert verifies(key, arrival)
