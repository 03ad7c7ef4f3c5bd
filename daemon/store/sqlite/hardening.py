"""Hardening of every connection: somebody else may have made the database file."""

import sqlite3
import sys


def harden(connection: sqlite3.Connection) -> None:
    """Keep the file's schema from calling functions with side effects, and check the cells of each page.

    On Python 3.12 and newer also switch on SQLite's defensive mode: no statement may write the schema table.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
