"""Links that sign a customer in to one team's console without a key (contract "Portal links")."""

from msgspec import Struct

from daemon.domain.model import KeyRole

# How the ids of links begin: they stand where a key's id may.
LINK_ID = "plk"


class PortalLink(Struct, frozen=True, kw_only=True):
    """A link without its token. `used_at` is its last sign-in, None before the first; times in ms.

    With `once` it signs in once. `return_url` is where the console's "Back to …" leads.
    """

    id: str
    team_id: str
    created_at: int
    expires_at: int
    read_only: bool = False
    once: bool = False
    return_url: str | None = None
    used_at: int | None = None
    revoked_at: int | None = None

    @property
    def role(self) -> KeyRole:
        """What its sessions may do."""
        return KeyRole.READ if self.read_only else KeyRole.ADMIN

    @property
    def name(self) -> str:
        """What the audit trail calls it."""
        return f"portal link {self.id}"

    def is_valid(self, now: int) -> bool:
        """Whether its sessions are."""
        return self.revoked_at is None and now < self.expires_at

    def signs_in(self, now: int) -> bool:
        """Whether it begins another session."""
        return self.is_valid(now) and not (self.once and self.used_at is not None)


def is_link_id(key_id: str) -> bool:
    """Whether this id, of whoever asks, is a link's rather than a key's."""
    return key_id.startswith(f"{LINK_ID}_")
