"""Writes: balances and the ledger. Each entry carries the balance after it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from daemon.model import CreditEntry
from daemon.store.commands import GrantCredits, ReadBalance
from daemon.store.schema import credit_entries, teams
from daemon.store.sequences import Sequences


@dataclass(frozen=True, slots=True)
class Debit:
    """What one successful delivery costs its team."""

    entry_id: str
    team_id: str
    delivery_id: str
    amount: int
    now: int


def debit(connection: Connection, debits: Sequence[Debit]) -> None:
    """Charge these deliveries; the schema refuses to charge one twice."""
    _enter(
        connection,
        [(one.entry_id, one.team_id, -one.amount, one.delivery_id, None, one.now) for one in debits],
    )


def grant_credits(connection: Connection, commands: Sequence[GrantCredits], _sequences: Sequences) -> list[CreditEntry]:
    """Add to balances."""
    return _enter(
        connection,
        [(grant.entry_id, grant.team_id, grant.amount, None, grant.note, grant.now) for grant in commands],
    )


def read_balances(connection: Connection, commands: Sequence[ReadBalance], _sequences: Sequences) -> list[int]:
    """Answer balances."""
    balances = _balances(connection, {command.team_id for command in commands})
    return [balances.get(command.team_id, 0) for command in commands]


_Line = tuple[str, str, int, str | None, str | None, int]


def _enter(connection: Connection, lines: Sequence[_Line]) -> list[CreditEntry]:
    if not lines:
        return []
    balances = _balances(connection, {line[1] for line in lines})
    entries = []
    for entry_id, team_id, amount, delivery_id, note, now in lines:
        balances[team_id] += amount
        entries.append(CreditEntry(entry_id, team_id, amount, balances[team_id], now, delivery_id, note))
    connection.execute(insert(credit_entries), [_row(entry) for entry in entries])
    connection.execute(_SET_BALANCE, [{"of_id": team, "balance": balance} for team, balance in balances.items()])
    return entries


_SET_BALANCE = update(teams).where(teams.c.id == bindparam("of_id")).values(balance=bindparam("balance"))


def _balances(connection: Connection, team_ids: Iterable[str]) -> dict[str, int]:
    rows = connection.execute(select(teams.c.id, teams.c.balance).where(teams.c.id.in_(sorted(team_ids))))
    return {row.id: row.balance for row in rows}


def _row(entry: CreditEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "team_id": entry.team_id,
        "amount": entry.amount,
        "balance_after": entry.balance_after,
        "created_at": entry.created_at,
        "delivery_id": entry.delivery_id,
        "note": entry.note,
    }
