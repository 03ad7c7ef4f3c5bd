"""Writes: balances and the ledger. Each entry carries the balance after it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import Connection, bindparam, select, update

from daemon.domain.errors import BalanceOutOfRange
from daemon.domain.mails import MailKind
from daemon.domain.model import CreditEntry
from daemon.store.bulk import InsertRows, UpdateRows, given_rows, returned_rows, send_rows
from daemon.store.commands import GrantCredits, Granted, ReadBalance
from daemon.store.schema import credit_entries, teams
from daemon.store.sequences import Sequences
from daemon.store.writes.counters import count_consumed
from daemon.store.writes.crossings import Crossing, Told, tell_of_crossings

MAX_BALANCE = 10**15  # far below what JSON's doubles hold exactly


# Entry id, team id, amount, delivery id, note, time.
Line = tuple[str | None, str, int, str | None, str | None, int]
# The option of a connection that names what else follows from debits, in their transaction; by default nothing.
ON_DEBIT = "on_debit"
OnDebit = Callable[[Connection, Sequence[Line]], None]
# The columns of `_INSERT_ENTRIES`, which are the fields of a CreditEntry.
_Entry = tuple[str, str, int, int, int, str | None, str | None]


def debit(connection: Connection, lines: Sequence[Line], exhausted_below: int | None = None) -> Mapping[str, Told]:
    """Charge deliveries, each amount below 0, and count it on its day; the schema refuses to charge one twice.

    A team whose balance falls below `exhausted_below` is told that its deliveries wait. Returns who is told of what, by
    the entry that it is about.
    """
    _, told = _enter(connection, lines, exhausted_below)
    count_consumed(connection, [(team_id, now, -amount) for _, team_id, amount, _, _, now in lines])
    on_debit: OnDebit | None = connection.get_execution_options().get(ON_DEBIT)
    if on_debit is not None:
        on_debit(connection, lines)
    return told


def grant_credits(
    connection: Connection, commands: Sequence[GrantCredits], _sequences: Sequences
) -> list[Granted | BalanceOutOfRange]:
    """Change balances, but none farther away from 0 than MAX_BALANCE."""
    balances = _balances(connection, {grant.team_id for grant in commands}, lock=True)
    possible = {grant.entry_id: grant for grant in commands if _has_room(balances, grant)}
    lines = [(grant.entry_id, grant.team_id, grant.amount, None, grant.note, grant.now) for grant in possible.values()]
    entries, told = _enter(connection, lines, exhausted_below=commands[0].exhausted_below)
    granted = {row[0]: _granted(CreditEntry(*row), told.get(row[0])) for row in entries}
    return [granted.get(grant.entry_id) or _out_of_range() for grant in commands]


def _granted(entry: CreditEntry, told: Told | None) -> Granted:
    return Granted(entry) if told is None else Granted(entry, told.mails, told.operations)


def _has_room(balances: dict[str, int], grant: GrantCredits) -> bool:
    """Whether this grant is possible; if it is, it is added to `balances`."""
    before = balances.get(grant.team_id, 0)
    after = before + grant.amount
    if abs(after) > max(MAX_BALANCE, abs(before)):
        return False
    balances[grant.team_id] = after
    return True


def _out_of_range() -> BalanceOutOfRange:
    return BalanceOutOfRange(f"the balance would be beyond {MAX_BALANCE:,}")


def read_balances(connection: Connection, commands: Sequence[ReadBalance], _sequences: Sequences) -> list[int]:
    """Answer balances."""
    balances = _balances(connection, {command.team_id for command in commands})
    return [balances.get(command.team_id, 0) for command in commands]


def _enter(
    connection: Connection, lines: Sequence[Line], exhausted_below: int | None
) -> tuple[Sequence[_Entry], Mapping[str, Told]]:
    """Change balances and the ledger; return the entries, and who is told of them, by entry."""
    if not lines:
        return (), {}
    changed = _change_balances(connection, lines)
    balances = {team_id: before for team_id, before, _, _ in changed}
    entries = []
    for entry_id, team_id, amount, delivery_id, note, now in lines:
        assert entry_id is not None, "what is charged has an entry"
        balances[team_id] += amount
        entries.append((entry_id, team_id, amount, balances[team_id], now, delivery_id, note))
    send_rows(connection, _INSERT_ENTRIES, entries)
    last = {entry[1]: entry for entry in entries}
    crossings = [
        Crossing(kind, team_id, balance=after, limit=limit, entry_id=last[team_id][0], now=last[team_id][4])
        for team_id, before, after, low in changed
        for kind, limit in ((MailKind.CREDITS_LOW, low), (MailKind.CREDITS_EXHAUSTED, exhausted_below))
        if limit is not None and before >= limit > after
    ]
    return entries, tell_of_crossings(connection, crossings) if crossings else {}


_INSERT_ENTRIES = InsertRows(
    credit_entries, ("id", "team_id", "amount", "balance_after", "created_at", "delivery_id", "note")
)
_changed = given_rows(team_id=teams.c.id, amount=teams.c.balance)
_CHANGE_BALANCES = UpdateRows(
    shared=teams.c.id,
    given=_changed,
    update=update(teams)
    .where(teams.c.id == _changed.c.team_id)
    .values(balance=teams.c.balance + _changed.c.amount)
    .returning(teams.c.id, teams.c.balance, teams.c.low_credits),
)
_BALANCES = select(teams.c.id, teams.c.balance).where(teams.c.id.in_(bindparam("ids", expanding=True)))
_LOCKED_BALANCES = _BALANCES.order_by(teams.c.id).with_for_update()


def _change_balances(connection: Connection, lines: Iterable[Line]) -> list[tuple[str, int, int, int | None]]:
    """Change each team's balance by the sum of its lines; return each with its balances before and after, and what it
    calls low.
    """
    changes: Counter[str] = Counter()
    for _, team_id, amount, *_ in lines:
        changes[team_id] += amount
    rows = returned_rows(connection, _CHANGE_BALANCES, list(changes.items()))
    return [(team_id, after - changes[team_id], after, low) for team_id, after, low in rows]


def _balances(connection: Connection, team_ids: Iterable[str], *, lock: bool = False) -> dict[str, int]:
    rows = connection.execute(_LOCKED_BALANCES if lock else _BALANCES, {"ids": sorted(team_ids)})
    return {row.id: row.balance for row in rows}
