"""A webhook's own way out where several nodes share the webhooks (contract "Options of a webhook")."""

import trustme

from daemon.crypto.certificates import client_certificate
from daemon.domain.sealed import Sealed
from daemon.domain.way_out_options import ProxyOption
from daemon.domain.webhook_options import WebhookOptions
from tests.support.certificates import make_identity
from tests.support.daemon import RunningDaemon

URL = "http://kakiyo@proxy.example.com:3128"


async def test_a_proxy_is_changed_at_whichever_node_and_its_password_stays_sealed_with_its_url(
    pair: tuple[RunningDaemon, RunningDaemon],
) -> None:
    first, second = pair
    team = await first.team()
    for number in range(6):
        webhook = await first.webhook(team, f"https://receiver.example/{number}")
        given = WebhookOptions(proxy=ProxyOption(url=URL, password=Sealed("s3cret")))
        await second.change(webhook, options=given, changed_options=("proxy",))
        same = WebhookOptions(proxy=ProxyOption(url=URL))
        kept = await first.change(webhook, options=same, changed_options=("proxy",))
        assert kept is not None
        assert kept.options.proxy is not None
        assert kept.options.proxy.password is not None
        assert "s3cret" not in kept.options.proxy.password.sealed
        for node in pair:
            assert (await node.current(webhook)).options == kept.options
            assert node.parts.vault.open(kept.options.proxy.password.sealed, webhook.id) == "s3cret"
        other = WebhookOptions(proxy=ProxyOption(url="http://kakiyo@evil.example:3128"))
        changed = await second.change(webhook, options=other, changed_options=("proxy",))
        assert changed is not None
        assert changed.options == other


async def test_a_client_certificate_is_changed_at_whichever_node_and_its_key_stays_sealed(
    pair: tuple[RunningDaemon, RunningDaemon],
) -> None:
    first, second = pair
    team = await first.team()
    webhook = await first.webhook(team, "https://receiver.example/")
    own = make_identity(trustme.CA())
    certificate = client_certificate(own.certificate, own.key)
    given = WebhookOptions(client_certificate=certificate)
    changed = await second.change(webhook, options=given, changed_options=("client_certificate",))
    assert changed is not None
    for node in pair:
        kept = (await node.current(webhook)).options.client_certificate
        assert kept is not None
        assert kept.facts == certificate.facts
        assert "PRIVATE KEY" not in kept.private_key.sealed
        assert "PRIVATE KEY" in node.parts.vault.open(kept.private_key.sealed, webhook.id)
