"""Running Alembic's migrations. Alembic is imported on demand: that takes a quarter of a second."""

from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from alembic.config import Config

Seal = Callable[[str, str], str]


def known_revisions() -> set[str]:
    """Return the revisions that this version can open."""
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(_migrations()).walk_revisions()}


def readable_by() -> str:
    """Return the oldest revision whose code may go on with a database of the newest one."""
    from alembic.script import ScriptDirectory

    oldest: str = ScriptDirectory.from_config(_migrations()).get_revisions("head")[0].module.readable_by
    return oldest


def migrate(connection: Connection, revision: str = "head") -> None:
    """Migrate the database to a revision, except for the work on rows, which `page_of` does."""
    from alembic import command

    config = _migrations()
    config.attributes.update(connection=connection)
    command.upgrade(config, revision)


def page_of(revision: str) -> Callable[[Connection, Seal], bool]:
    """Return the function that does the next part of a revision's work on rows, and returns whether more may be left.

    `seal(secret, webhook_id)` seals a secret that is stored in plain text.
    """
    from alembic.script import ScriptDirectory

    finish_page: Callable[[Connection, Seal], bool]
    finish_page = ScriptDirectory.from_config(_migrations()).get_revisions(revision)[0].module.finish_page
    return finish_page


def _migrations() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("daemon.store") / "migrations"))
    return config
