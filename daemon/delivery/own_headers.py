"""The headers of a webhook's own: as its attempts send them, and as they are shown."""

from daemon.crypto.vault import Vault
from daemon.domain.custom_headers import HIDDEN
from daemon.domain.model import Webhook
from daemon.domain.sealed import Sealed

Headers = tuple[tuple[str, str], ...]


def opened_headers(webhook: Webhook, vault: Vault) -> Headers:
    """Return them as they are sent. Raises VaultError for a value that cannot be opened."""
    return tuple(
        (each.name, vault.open(each.value.sealed, webhook.id) if isinstance(each.value, Sealed) else each.value or "")
        for each in webhook.options.headers
    )


def shown_headers(webhook: Webhook) -> Headers:
    """Return them with `HIDDEN` in place of what is secret."""
    return tuple((each.name, each.value if isinstance(each.value, str) else HIDDEN) for each in webhook.options.headers)
