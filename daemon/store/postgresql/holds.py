"""What nodes hold of teams' credits, so that together they never deliver more than a team can pay for.

Invariant: the holds of a team together are at most its balance, unless a correction took credits away since. It is kept
by each transaction, in whichever order they commit:

- A hold grows only under the lock of its team's row, and by no more than the balance less all holds. Whoever else wants
  to add to a hold, or changes the balance, waits for that lock. So the holds are read by a statement of its own after
  the lock was granted: one statement for both would see the holds as they were before it waited.
- A hold shrinks by its own node alone, at any time: that frees credits.
- A charged outcome takes the same from the balance and from its node's hold, in one transaction.
- The holds of a node count for nothing once its life is ended: what it charged is in the balance, and no transaction of
  that life can be committed any more (the fence).

A balance is never below 0, then: a delivery that is charged was paid for by its node's hold, which is part of the
balance. A correction (a grant below 0) can take it there, as on a single node: deliveries in flight are charged still.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, text

from daemon.store.hold_commands import ChangeHolds, HoldWish, PruneHolds
from daemon.store.sequences import Sequences
from daemon.store.writes.credits import Line

# In one step a node gets no more than this part of what is free, unless it needs more at once: others may, too.
_PART = 4

# In the order of ids, as everybody locks teams.
_LOCK_BALANCES = text("SELECT id, balance FROM teams WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_HELD = text(
    "SELECT team_id, coalesce(sum(amount) FILTER (WHERE node <> :node), 0)::bigint AS by_others,"
    " coalesce(sum(amount) FILTER (WHERE node = :node), 0)::bigint AS by_this"
    " FROM holds JOIN nodes USING (node) WHERE team_id = ANY(:ids) AND ended_at IS NULL GROUP BY team_id"
)
_SET = text(
    "INSERT INTO holds (team_id, node, amount) SELECT team_id, :node, amount"
    " FROM unnest(CAST(:ids AS text[]), CAST(:amounts AS bigint[])) AS given(team_id, amount)"
    " ON CONFLICT (team_id, node) DO UPDATE SET amount = excluded.amount"
)
_DROP_EMPTY = text("DELETE FROM holds WHERE node = :node AND team_id = ANY(:ids) AND amount = 0")
_SPEND = text(
    "UPDATE holds SET amount = greatest(holds.amount - given.amount, 0)"
    " FROM unnest(CAST(:ids AS text[]), CAST(:amounts AS bigint[])) AS given(team_id, amount)"
    " WHERE holds.team_id = given.team_id AND holds.node = :node"
)
_PRUNE = text(
    "DELETE FROM holds WHERE (team_id, node) IN (SELECT team_id, node FROM holds LEFT JOIN nodes USING (node)"
    " WHERE nodes.node IS NULL OR ended_at IS NOT NULL LIMIT :limit)"
)
_WITH_CREDIT = text(
    "SELECT id FROM teams WHERE id = ANY(:ids) AND balance - :unit >="
    " (SELECT coalesce(sum(amount), 0) FROM holds JOIN nodes USING (node)"
    "  WHERE team_id = teams.id AND ended_at IS NULL)"
)


def change_holds(
    connection: Connection, commands: Sequence[ChangeHolds], _sequences: Sequences
) -> list[Mapping[str, int]]:
    """Change holds; answer what was added, by team."""
    return [_change(connection, command) for command in commands]


def spend(node: int, connection: Connection, lines: Sequence[Line]) -> None:
    """Take what a node's outcomes are charged from its holds, in the transaction that charges it."""
    charged: Counter[str] = Counter()
    for _, team_id, amount, *_ in lines:
        charged[team_id] -= amount
    if charged:
        connection.execute(_SPEND, {"node": node, "ids": list(charged), "amounts": list(charged.values())})


def prune_holds(connection: Connection, commands: Sequence[PruneHolds], _sequences: Sequences) -> list[int]:
    """Remove the holds of ended nodes, a bounded number for each command."""
    return [connection.execute(_PRUNE, {"limit": command.limit}).rowcount for command in commands]


def with_credit(connection: Connection, team_ids: Iterable[str], unit: int) -> set[str]:
    """Return which of these teams have `unit` credits that no node holds."""
    return set(connection.execute(_WITH_CREDIT, {"ids": list(team_ids), "unit": unit}).scalars())


def _change(connection: Connection, command: ChangeHolds) -> Mapping[str, int]:
    ids = [wish.team_id for wish in command.wishes]
    wanting = [wish.team_id for wish in command.wishes if wish.wanted]
    balances = {row.id: row.balance for row in connection.execute(_LOCK_BALANCES, {"ids": wanting})}
    held = {row.team_id: row for row in connection.execute(_HELD, {"ids": ids, "node": command.node})}
    amounts, added = list[int](), dict[str, int]()
    for wish in command.wishes:
        row = held.get(wish.team_id)
        by_this, by_others = (row.by_this, row.by_others) if row else (0, 0)
        kept = min(by_this, wish.most)
        added[wish.team_id] = _grant(wish, balances.get(wish.team_id, 0) - by_others - kept, command.unit)
        amounts.append(kept + added[wish.team_id])
    connection.execute(_SET, {"node": command.node, "ids": ids, "amounts": amounts})
    connection.execute(_DROP_EMPTY, {"node": command.node, "ids": ids})
    return added


def _grant(wish: HoldWish, free: int, unit: int) -> int:
    """Return how much of what is free a node gets."""
    amount = min(wish.wanted, max(wish.needed, free // _PART), free)
    return max(amount, 0) // unit * unit
