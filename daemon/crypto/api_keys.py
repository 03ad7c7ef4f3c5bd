"""Who is behind an API key: all valid keys' digests, in memory."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from daemon.domain.model import ApiKey, KeyRole
from daemon.domain.portal_links import is_link_id

_PREFIX = "kwh_"
# The id of the operator's key.
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a team, with a key of this role and name, or the operator (no team)."""

    team_id: str | None
    key_id: str
    role: KeyRole = KeyRole.ADMIN
    name: str = ""

    @property
    def is_operator(self) -> bool:
        """Whether this may act for every team."""
        return self.team_id is None


def generate_key() -> str:
    """Return a new API key with 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> bytes:
    """Return what is stored of a key. Plain SHA-256 does: the key is random, so there is nothing to guess."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class ApiKeys:
    """Finds principals by their key, in time that tells nothing about the stored keys.

    What is looked up is a digest: how far two digests agree says nothing about the keys.
    """

    def __init__(self, operator_key: str) -> None:
        self._by_digest = {digest_of(operator_key): Principal(None, OPERATOR, name="Operator")}

    def find(self, key: str) -> Principal | None:
        """Return who is behind this key, None if it is unknown or revoked."""
        return self.find_by_digest(digest_of(key))

    def find_by_digest(self, digest: bytes) -> Principal | None:
        """Return who is behind the key with this digest, None if it is unknown or revoked."""
        return self._by_digest.get(digest)

    def revoked(self, key_ids: Collection[str]) -> set[str]:
        """Return those of these ids that no valid key has; a portal link's is not a key's. It looks at every key."""
        ids = {key_id for key_id in key_ids if not is_link_id(key_id)}
        return ids - {who.key_id for who in self._by_digest.values()}

    def add(self, digest: bytes, key: ApiKey) -> None:
        """Accept a new key."""
        self._by_digest[digest] = Principal(key.team_id, key.id, role=key.role, name=key.name)

    def remove(self, key_id: str) -> None:
        """Stop accepting a revoked key."""
        self._by_digest = {digest: who for digest, who in self._by_digest.items() if who.key_id != key_id}
