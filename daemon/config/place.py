"""Where a daemon is, as its settings tell: the state directory and `api.bind`, and nothing else of them.

The clients need no more, and checking every setting takes longer than all else that a command does. A mistake in
another setting is for `serve` and `check-config` to tell.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.config.sources import ConfigError, environment_source, file_source, merge

DEFAULT_BIND = "127.0.0.1:8480"


@dataclass(frozen=True, slots=True)
class Place:
    """What the settings say, `bind` as it is written."""

    state_dir: Path
    bind: str


def find_place(file: Path | None, state_dir: Path | None, environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return the place from the file and the environment, which wins; None if one of the two
    is nothing that could be one.

    Raises ConfigError for a file that cannot be read, and if there is no state directory.
    """
    sources = [*([file_source(file)] if file else []), environment_source(environment)]
    merged: Mapping[str, Any] = {}
    for source in sources:
        merged = merge(merged, source.tree)
    api = merged.get("api", {})
    bind = api.get("bind", DEFAULT_BIND) if isinstance(api, Mapping) else None
    directory = str(state_dir) if state_dir else merged.get("state_dir", "")
    if not isinstance(bind, str) or not isinstance(directory, str) or "\0" in directory:
        return None
    is_named = state_dir or "state_dir" in merged
    return Place(Path(directory) if is_named else default_state_dir(environment), bind)


def default_state_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory that is taken when no setting names one. Raises ConfigError if this user has no home."""
    if under_systemd := environment.get("STATE_DIRECTORY"):
        return Path(under_systemd.split(":")[0])
    if base := environment.get("XDG_STATE_HOME"):
        return Path(base) / "kakiyo-webhooks"
    try:
        return Path.home() / ".local/state/kakiyo-webhooks"
    except RuntimeError:
        raise ConfigError("state_dir: it has no default, for this user has no home directory: set it") from None
