"""The version after this one, for tests: the same code, whose newest migration is one that this version does not know.

`python -m tests.support.next_version WHICH serve …` is `python -m daemon serve …` of that version. WHICH is `additive`,
if this version may go on with its tables, or `breaking`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.config import Config

from daemon.store import migrate
from daemon.store.schema import HEAD_REVISION

BEFORE, REVISION, VERSION = HEAD_REVISION, "9001", "9.0.0"
_readable_by = [BEFORE]


def readable_by() -> str:
    """Return the oldest revision whose code may go on with the tables of the next version."""
    return _readable_by[-1]


@contextmanager
def next_version(which: str) -> Iterator[None]:
    """Be the next version in this block."""
    ours = migrate._migrations

    def with_one_more() -> Config:
        config = ours()
        script = Path(config.get_main_option("script_location") or "")
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", f"{script / 'versions'}:{Path(__file__).parent / 'versions'}")
        return config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daemon.store.migrate._migrations", with_one_more)
        for module in ("daemon.store.postgresql.newest", "daemon.wiring_cluster"):
            patch.setattr(f"{module}.HEAD_REVISION", REVISION)
        patch.setattr("daemon.wiring_cluster.__version__", VERSION)
        _readable_by.append({"additive": BEFORE, "breaking": REVISION}[which])
        yield
        _readable_by.pop()


def main() -> None:
    """Run the command line of the next version."""
    from daemon.cli import main as run_command_line

    with next_version(sys.argv.pop(1)):
        run_command_line()
