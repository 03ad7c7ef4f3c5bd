"""The daemon's settings, as the commands' options name them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.exits import CommandError, ExitCode

if TYPE_CHECKING:  # pydantic takes a quarter of a second to import: only the commands that read settings pay for it
    from daemon.config.settings import Settings


def read_settings(
    config: Path | None, state_dir: Path | None = None, bind: str | None = None, dev: bool = False
) -> "Settings":
    """Return the settings from the file, the environment and these options, which win.

    Raises CommandError (USAGE) with one line for each wrong setting.
    """
    from daemon.config.settings import ConfigError

    try:
        return settings_reader(config, state_dir, bind=bind, dev=dev)()
    except ConfigError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


def require_store_settings(settings: "Settings") -> None:
    """Raise CommandError (USAGE) for an address of a database that its driver does not take. Does not connect."""
    if not settings.store.url:
        return
    from daemon.config.settings import ConfigError
    from daemon.maintenance.opened_store import check_store_settings

    try:
        check_store_settings(settings)
    except ConfigError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


def settings_reader(
    config: Path | None, state_dir: Path | None = None, bind: str | None = None, dev: bool = False
) -> "Callable[[], Settings]":
    """Return what reads the settings each time it is called. It raises ConfigError for wrong ones."""
    from daemon.config.settings import load_settings

    return partial(load_settings, config, _given(state_dir, bind, dev))


def _given(state_dir: Path | None, bind: str | None, dev: bool) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    if state_dir is not None:
        flags["state_dir"] = state_dir.absolute()
    if bind is not None:
        flags["api"] = {"bind": bind}
    if dev:
        flags["dev"] = True
    return flags
