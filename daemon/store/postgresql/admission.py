"""Who may work with this database: nodes whose code, keys and settings go together (architecture "Upgrading nodes").

The row of `cluster` says the oldest revision whose code may use the tables, and which key seals. Whoever joins locks it
before it looks, and whoever changes one of the two locks it before it looks who lives: so neither misses the other.
Nodes write their own row after that of `cluster`, never before.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from daemon.store.nodes import MUST_AGREE, Identity, NotAdmitted
from daemon.store.postgresql.lives import END_OPEN, HAS_LEASE, IS_OPEN


def admit(connection: Connection, me: Identity) -> None:
    """Raise NotAdmitted if this node may not begin a life now; until COMMIT nobody changes that."""
    cluster = connection.execute(_LOCK).one()
    if me.terms.revision < cluster.readable_by:
        raise NotAdmitted(
            f"the database was upgraded to tables that this version ({me.version}) cannot work with: "
            "install the version of the other nodes"
        )
    if cluster.key_fingerprint is not None and cluster.key_fingerprint not in me.terms.keys:
        raise NotAdmitted(
            "this node does not have the encryption key that seals the secrets now: "
            "add the one of the other nodes to its key file"
        )
    for name in MUST_AGREE:
        _require_agreement(connection, me, name)


def older_nodes(connection: Connection, readable_by: str) -> Sequence[str]:
    """Return the living nodes whose code may not use tables that are readable by this revision; if none, end the rest.

    Whoever then changes the tables looks again at the end, after `keep_out`.
    """
    values = {"readable_by": readable_by}
    found = list(connection.execute(_OLDER, values).scalars())
    if not found:
        connection.execute(_END_OLDER, values)
    return found


def keep_out(connection: Connection) -> None:
    """Let no node join, and nothing be changed that all nodes know, until COMMIT: not before all other work is done."""
    connection.execute(_LOCK)


def _require_agreement(connection: Connection, me: Identity, name: str) -> None:
    mine = me.terms.settings.get(name)
    if mine is None:
        return
    values = {"installation": me.installation, "path": ["terms", "settings", name], "mine": mine}
    other = connection.execute(_DISAGREEING, values).first()
    if other is not None:
        raise NotAdmitted(
            f"{name} is {mine} here and {other.theirs} on node {other.name}: "
            "give all nodes the same, and stop them all to change it"
        )
    connection.execute(_END_DISAGREEING, values)


_LOCK = text("SELECT readable_by, key_fingerprint FROM cluster FOR NO KEY UPDATE")
_LIVES = f"{IS_OPEN} AND {HAS_LEASE}"
_IS_OLDER = "coalesce(report #>> '{terms,revision}', '') COLLATE \"C\" < :readable_by"
_OLDER = text(f"SELECT name || ' (version ' || version || ')' FROM nodes WHERE {_LIVES} AND {_IS_OLDER} ORDER BY node")
_END_OLDER = text(f"{END_OPEN} AND {_IS_OLDER}")
_DISAGREES = (
    "installation <> :installation"
    " AND report #>> CAST(:path AS text[]) IS NOT NULL AND report #>> CAST(:path AS text[]) <> :mine"
)
_DISAGREEING = text(
    f"SELECT name, report #>> CAST(:path AS text[]) AS theirs FROM nodes WHERE {_LIVES} AND {_DISAGREES}"
    " ORDER BY node LIMIT 1"
)
_END_DISAGREEING = text(f"{END_OPEN} AND {_DISAGREES}")
