"""Changes to a webhook as people ask for them, as values: each can be written as JSON and read back exactly.

What a change makes of a webhook is decided in `daemon.domain.lifecycle`. Secrets in a change are sealed already
(`daemon.crypto.vault`); `now` is when it was asked for, in milliseconds.
"""

from msgspec import Struct

from daemon.domain.errors import NothingDue, WebhookInactive
from daemon.domain.key_pairs import SigningKey
from daemon.domain.lifecycle import WebhookEdit, deleted, edited, may_be_edited, resumed, resumes_by, rotated, switched
from daemon.domain.model import Webhook
from daemon.domain.signing_keys import with_new_signing_key, without_expired_key


class Edit(Struct, frozen=True, tag="edit"):
    """Edit, enable or disable it."""

    edit: WebhookEdit
    now: int


class RotateSecret(Struct, frozen=True, tag="rotate_secret"):
    """Give it this new secret, this new key pair, or both; the previous ones also sign until `expires_at`.

    See `lifecycle.rotated` and `signing_keys.with_new_signing_key`.
    """

    secret: str | None
    expires_at: int
    now: int
    switch_now: bool = False
    signing_key: SigningKey | None = None


class SwitchSignature(Struct, frozen=True, tag="switch_signature"):
    """Make `X-Kakiyo-Signature` with the new secret from now on."""

    now: int


class Delete(Struct, frozen=True, tag="delete"):
    """Delete it."""

    now: int


class ResumeWhenDue(Struct, frozen=True, tag="resume_when_due"):
    """Resume it, if it resumes by itself by now."""

    now: int


class CancelDeliveries(Struct, frozen=True, tag="cancel_deliveries"):
    """Leave it as it is, and cancel those of its deliveries with these numbers that wait, for a bulk job."""

    job_id: str
    seqs: tuple[int, ...]
    now: int


class ExpireDeliveries(Struct, frozen=True, tag="expire_deliveries"):
    """Leave it as it is, and cancel those of its deliveries with these numbers that wait: they have expired."""

    seqs: tuple[int, ...]
    now: int


class EraseDeliveries(Struct, frozen=True, tag="erase_deliveries"):
    """Leave it as it is, and cancel those of its deliveries with these numbers that wait: their event was erased.

    Of an attempt in flight nothing is kept that the receiver answers, and it has no retry.
    """

    seqs: tuple[int, ...]
    now: int


CancelSome = CancelDeliveries | ExpireDeliveries | EraseDeliveries
WebhookChange = CancelSome | Edit | ResumeWhenDue | RotateSecret | SwitchSignature | Delete

_DISABLED = "a disabled webhook cannot be paused, since nothing waits for it: set `active` to true, too"


def apply_change(webhook: Webhook, change: WebhookChange) -> Webhook:
    """Return the webhook as it is after this change. Raises WebhookInactive, NothingDue."""
    match change:
        case Edit(edit, now):
            if not may_be_edited(webhook, edit):
                raise WebhookInactive(_DISABLED)
            return edited(without_expired_key(webhook, now), edit, now)
        case ResumeWhenDue(now):
            if not resumes_by(webhook, now):
                raise NothingDue("the webhook does not resume by itself now")
            return resumed(webhook, now)
        case RotateSecret():
            return _rotated(webhook, change)
        case SwitchSignature(now):
            return switched(webhook, now)
        case CancelDeliveries() | ExpireDeliveries() | EraseDeliveries():
            return webhook
        case Delete(now):
            return deleted(webhook, now)


def _rotated(webhook: Webhook, change: RotateSecret) -> Webhook:
    secret, expires_at, now = change.secret, change.expires_at, change.now
    if secret is not None:
        webhook = rotated(webhook, secret, expires_at, now=now, switch_now=change.switch_now)
    if change.signing_key is not None:
        webhook = with_new_signing_key(webhook, change.signing_key, expires_at, now=now)
    return webhook
