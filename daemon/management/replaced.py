"""What an edit replaces unseen, for the audit trail: the store compares only what the trail tells."""

from typing import Any

import msgspec

from daemon.crypto.vault import Vault, VaultError
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import Webhook
from daemon.domain.webhook_options import replace_sealed, told_options, with_changed

# How the audit trail shows it; whether a webhook has a secret at all, the store tells.
REPLACED = {"from": "set", "to": "replaced"}


def replaced_secret(webhook: Webhook, secret: str | None, vault: Vault) -> dict[str, Any]:
    """Return what the audit trail says of this new secret (None: it stays)."""
    if secret is None or webhook.secret is None:
        return {}
    return {} if _opened(webhook.secret, webhook.id, vault) == secret else {"secret": REPLACED}


def replaced_options(webhook: Webhook, edit: WebhookEdit, vault: Vault) -> dict[str, Any]:
    """Return what the audit trail says of options in which only what it does not tell becomes another.

    That are secret parts, and the certificates that vouch for a webhook's own.
    """
    if not edit.changed_options:
        return {}
    after = with_changed(webhook.options, edit.options, edit.changed_options)
    old, new = msgspec.to_builtins(webhook.options), msgspec.to_builtins(after)
    told_before, told_after = told_options(old), told_options(new)
    return {
        name: REPLACED
        for name in new.keys() & old.keys()
        if told_before[name] == told_after[name] and _differ(old[name], new[name], webhook.id, vault=vault)
    }


def _differ(old: Any, new: Any, webhook_id: str, *, vault: Vault) -> bool:
    old, new = (replace_sealed(each, lambda sealed: _opened(sealed, webhook_id, vault)) for each in (old, new))
    return bool(old != new)


def _opened(sealed: str, webhook_id: str, vault: Vault) -> str | None:
    """Return what was sealed; None if it cannot be opened: whatever it was, it is lost."""
    try:
        return vault.open(sealed, webhook_id)
    except VaultError:
        return None
