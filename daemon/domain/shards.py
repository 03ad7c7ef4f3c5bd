"""Which shard a webhook or a team belongs to: the unit in which nodes share the work (architecture "Nodes")."""

from hashlib import sha256

SHARDS = 256
# Whoever owns it does what is to be done once: mails, upkeep.
FIRST_SHARD = 0


def shard_of(identity: str) -> int:
    """Return the shard of a webhook's or team's id, from 0 to 255: the first byte of its SHA-256."""
    return sha256(identity.encode()).digest()[0]
