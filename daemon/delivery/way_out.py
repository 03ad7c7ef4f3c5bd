"""The way out that a webhook has chosen, as the transport takes it."""

from dataclasses import replace

from daemon.crypto.vault import Vault
from daemon.domain.model import Webhook
from daemon.domain.way_out_options import ProxyOption
from daemon.domain.webhook_options import WebhookOptions
from daemon.egress.client_tls import ClientTls
from daemon.egress.proxy import Proxy, parse_proxy
from daemon.egress.way import Way


def way_of(webhook: Webhook, vault: Vault) -> Way:
    """Return the way of its options. Raises VaultError for a password or key that cannot be opened."""
    options = webhook.options
    return Way(
        ip_version=None if options.ip_version is None else int(options.ip_version),
        proxy=None if options.proxy is None else _proxy_of(options.proxy, webhook.id, vault),
        tls=_tls_of(options, webhook.id, vault),
    )


def _tls_of(options: WebhookOptions, webhook_id: str, vault: Vault) -> ClientTls | None:
    own, authorities = options.client_certificate, options.ca_certificates
    if own is None and authorities is None:
        return None
    return ClientTls(
        certificate="" if own is None else own.certificate,
        private_key="" if own is None else vault.open(own.private_key.sealed, webhook_id),
        authorities="" if authorities is None else authorities.certificates,
    )


def _proxy_of(option: ProxyOption, webhook_id: str, vault: Vault) -> Proxy:
    proxy = parse_proxy(option.url)
    return proxy if option.password is None else replace(proxy, password=vault.open(option.password.sealed, webhook_id))
