"""The way out that a webhook has chosen, as the transport takes it."""

from dataclasses import replace

from daemon.crypto.vault import Vault
from daemon.domain.model import Webhook
from daemon.domain.way_out_options import ProxyOption
from daemon.egress.proxy import Proxy, parse_proxy
from daemon.egress.way import Way


def way_of(webhook: Webhook, vault: Vault) -> Way:
    """Return the way of its options. Raises VaultError for a password that cannot be opened."""
    options = webhook.options
    return Way(
        ip_version=None if options.ip_version is None else int(options.ip_version),
        proxy=None if options.proxy is None else _proxy_of(options.proxy, webhook.id, vault),
    )


def _proxy_of(option: ProxyOption, webhook_id: str, vault: Vault) -> Proxy:
    proxy = parse_proxy(option.url)
    return proxy if option.password is None else replace(proxy, password=vault.open(option.password.sealed, webhook_id))
