"""With what a webhook's deliveries are signed: its secret (HMAC), a key pair (ed25519), or both.

Contract "Options of a webhook". The key pair is made by the daemon, once, when a scheme needs it; it stays when another
scheme is chosen, so that a receiver's configuration holds when it is chosen again.
"""

from enum import StrEnum


class SignatureScheme(StrEnum):
    """Which signatures a delivery has."""

    HMAC = "hmac"
    ED25519 = "ed25519"
    BOTH = "both"

    @property
    def uses_secret(self) -> bool:
        """Whether the webhook's secret signs, if it has one."""
        return self is not SignatureScheme.ED25519

    @property
    def uses_key(self) -> bool:
        """Whether the webhook's key pair signs."""
        return self is not SignatureScheme.HMAC
