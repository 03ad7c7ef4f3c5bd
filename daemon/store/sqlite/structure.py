"""Checking that a database has our tables and indexes and nothing else.

A trigger would run with our statements; a view or a changed table would give them wrong answers. So the schema of a
file that others could write has to be what the migrations create, object by object.
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
# Each object's type, name and table, and the SQL that created it, with collapsed white space.
Structure = Mapping[tuple[str, str, str], str]

_STRUCTURE_FILE = "structure.json"
_REVISION = re.compile(r"[0-9a-z]{1,32}")
# Created by an operator's ANALYZE: harmless, and of use to the query planner.
_STATISTICS = (
    (("table", "sqlite_stat1", "sqlite_stat1"), "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    (("table", "sqlite_stat4", "sqlite_stat4"), "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
)


def read_structure(cursor: Cursor) -> Structure:
    """Return the schema of the database."""
    cursor.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")
    return {(kind, name, table): " ".join((sql or "").split()) for kind, name, table, sql in cursor.fetchall()}


def read_revision(cursor: Cursor) -> str | None:
    """Return the revision that the database names, None unless it is exactly one, in the form of a revision."""
    cursor.execute("SELECT version_num FROM alembic_version")
    match cursor.fetchall():
        case [(str() as revision,)] if _REVISION.fullmatch(revision):
            return revision
    return None


def difference(cursor: Cursor, revision: str) -> str | None:
    """Return what differs from the migrations' schema, None if nothing does or if the revision is unknown."""
    if revision != HEAD_REVISION and revision not in known_revisions():
        return None
    found = dict(read_structure(cursor).items() - set(_STATISTICS))
    ours = structure_at(revision)
    for key in sorted(found.keys() | ours.keys()):
        if found.get(key) != ours.get(key):
            return _sentence(key, key in found, key in ours)
    return None


def structure_at(revision: str) -> Structure:
    """Return the schema at this revision, in the order of creation. That of the newest one is read from a file."""
    if revision == HEAD_REVISION:
        rows = json.loads((resources.files("daemon.store.sqlite") / _STRUCTURE_FILE).read_text("utf-8"))
        return {(kind, name, table): sql for kind, name, table, sql in rows}
    return migrated_structure(revision)


def migrated_structure(revision: str) -> Structure:
    """Return the schema at this revision by running the migrations, which takes a second."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate(connection, revision)
        structure = read_structure(connection.connection.cursor())
    engine.dispose()
    return structure


def _sentence(key: tuple[str, str, str], is_found: bool, is_ours: bool) -> str:
    kind, name, _ = key
    # Whoever made the file chose the name: quoted and cut, it cannot pass for our text.
    shown = f"{kind} {name[:60]!a}"
    if not is_found:
        return f"the {shown} is missing"
    return f"the {shown} was changed" if is_ours else f"the {shown} is not ours"
