"""The name of an installation that is never anybody else's: a node that starts again is known by it."""

import uuid
from pathlib import Path

from daemon.config.settings import ConfigError
from daemon.files.private_file import write_private_file
from daemon.files.regular_file import read_text

_FILE = "node.id"


def installation_of(state_dir: Path) -> str:
    """Return the name that is kept in the state directory; it is made at the first start. Raises ConfigError."""
    path = state_dir / _FILE
    try:
        known = read_text(path, links=False).strip()
    except FileNotFoundError:
        known = ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}): remove it, and this node gets a new name") from None
    if not known:
        known = uuid.uuid4().hex
        write_private_file(path, f"{known}\n")
    return known
