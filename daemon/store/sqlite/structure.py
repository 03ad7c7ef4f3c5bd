"""Whether a database holds our tables and indexes and nothing else.

A trigger would run with our own statements, a view or a changed table answer them wrongly: the schema of a file that
somebody could write has to be what the migrations make, object by object.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from importlib import resources

from sqlalchemy import create_engine
from sqlalchemy.engine.interfaces import DBAPICursor

from daemon.store.migrate import known_revisions, migrate
from daemon.store.schema import HEAD_REVISION

Cursor = DBAPICursor | sqlite3.Cursor
# Each object's type, name and table, and the SQL that made it, its white space collapsed.
Structure = Mapping[tuple[str, str, str], str]

_STRUCTURE_FILE = "structure.json"
_REVISION = re.compile(r"[0-9a-z]{1,32}")
# What an operator's ANALYZE makes: it helps the planner and holds nothing of ours.
_STATISTICS = (
    (("table", "sqlite_stat1", "sqlite_stat1"), "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    (("table", "sqlite_stat4", "sqlite_stat4"), "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
)


def read_structure(cursor: Cursor) -> Structure:
    """Return what stands in the database's schema."""
    cursor.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")
    return {(kind, name, table): " ".join((sql or "").split()) for kind, name, table, sql in cursor.fetchall()}


def read_revision(cursor: Cursor) -> str | None:
    """Return the one revision that the database says it has, None if that is no text in the form of one."""
    cursor.execute("SELECT version_num FROM alembic_version")
    match cursor.fetchall():
        case [(str() as revision,)] if _REVISION.fullmatch(revision):
            return revision
    return None


def difference(cursor: Cursor, revision: str) -> str | None:
    """Return what is not as the migrations make it, None if all is; also None for a revision that nobody knows here."""
    if revision != HEAD_REVISION and revision not in known_revisions():
        return None
    found = dict(read_structure(cursor).items() - set(_STATISTICS))
    ours = structure_at(revision)
    for key in sorted(found.keys() | ours.keys()):
        if found.get(key) != ours.get(key):
            return _said(key, key in found, key in ours)
    return None


def structure_at(revision: str) -> Structure:
    """Return what the migrations make up to this revision, in that order. The newest is in a file: quicker."""
    if revision == HEAD_REVISION:
        rows = json.loads((resources.files("daemon.store.sqlite") / _STRUCTURE_FILE).read_text("utf-8"))
        return {(kind, name, table): sql for kind, name, table, sql in rows}
    return migrated_structure(revision)


def migrated_structure(revision: str) -> Structure:
    """Return the same by running the migrations, which takes a second."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate(connection, revision)
        structure = read_structure(connection.connection.cursor())
    engine.dispose()
    return structure


def _said(key: tuple[str, str, str], is_there: bool, is_ours: bool) -> str:
    kind, name, _ = key
    # Whoever made the file chose the name: quoted and cut, it can say nothing in our name.
    shown = f"{kind} {name[:60]!a}"
    if not is_there:
        return f"the {shown} is missing"
    return f"the {shown} was changed" if is_ours else f"the {shown} is not ours"
