"""What the tables of `daemon.store.schema` have in common."""

from sqlalchemy import BigInteger, Column, MetaData

metadata = MetaData()


def seq() -> Column[int]:
    """Return the column that numbers the rows of a table, in their order."""
    return Column("seq", BigInteger, primary_key=True, autoincrement=True)
