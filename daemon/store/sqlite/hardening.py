"""How every connection is opened: a database file may have been made by somebody else."""

import sqlite3
import sys


def harden(connection: sqlite3.Connection) -> None:
    """Let nothing that stands in the file's schema call a function with effects, and check each page's cells.

    Python 3.12 can switch SQLite's defensive mode on, too: no statement may then write the schema table itself.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
