"""Teams' credits on one database, as nodes see them: what is held, what is left, outcomes that are charged."""

from itertools import count

from daemon.domain.model import Team
from daemon.store.commands import CreateTeam, GrantCredits
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.writes.credits import debit
from tests.store.filling import NOW, run

PRICE = 2

_numbers = count(100)


def new_team(database: PostgresqlDatabase, balance: int = 0) -> str:
    team_id = f"team_{next(_numbers)}"
    run(database, CreateTeam(Team(team_id, "Acme", (), NOW)))
    if balance:
        grant(database, team_id, balance)
    return team_id


def new_node(database: PostgresqlDatabase) -> int:
    insert = "INSERT INTO nodes (installation, name, host, version) VALUES ('i', 'n', 'h', '1') RETURNING node"
    with database.transaction() as connection:
        return int(connection.exec_driver_sql(insert).scalar_one())


def end(database: PostgresqlDatabase, node: int) -> None:
    """End a node's life, as who finds its lease over does."""
    with database.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE nodes SET ended_at = now() WHERE node = {node}")


def grant(database: PostgresqlDatabase, team_id: str, amount: int) -> None:
    entry_id = f"crd_{next(_numbers)}"
    run(database, GrantCredits(entry_id=entry_id, team_id=team_id, amount=amount, note=None, now=NOW))


def charge(database: PostgresqlDatabase, node: int, team_id: str) -> None:
    """Charge a delivery of this node."""
    number = next(_numbers)
    database.pay_from_holds_of(node)
    with database.transaction() as connection:
        debit(connection, [(f"crd_{number}", team_id, -PRICE, f"dlv_{number}", None, NOW)])


def balance_of(database: PostgresqlDatabase, team_id: str) -> int:
    with database.reading.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT balance FROM teams WHERE id = '{team_id}'").scalar_one())


def holds_of(database: PostgresqlDatabase, team_id: str) -> dict[int, int]:
    """Return what living nodes hold."""
    with database.reading.connect() as connection:
        rows = connection.exec_driver_sql(
            f"SELECT node, amount FROM holds JOIN nodes USING (node) WHERE team_id = '{team_id}' AND ended_at IS NULL"
        )
        return {row.node: row.amount for row in rows}
