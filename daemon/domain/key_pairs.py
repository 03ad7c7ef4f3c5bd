"""A webhook's ed25519 key pairs as they are kept."""

from msgspec import Struct

from daemon.domain.sealed import Sealed


class SigningKey(Struct, frozen=True):
    """An ed25519 key pair: the secret key sealed, the public one as `whpk_…`, and when it was made (ms)."""

    secret: Sealed
    public: str
    created_at: int


class SigningKeys(Struct, frozen=True, omit_defaults=True):
    """A webhook's key pair, and the one before, which also signs until `previous_expires_at` (ms)."""

    current: SigningKey
    previous: SigningKey | None = None
    previous_expires_at: int | None = None
