"""The keys that seal secrets: where they come from, and the file they stand in.

Looked for in this order: systemd's credential `encryption-key`, the file of the setting `secrets.key_file`, and
`encryption.key` in the state directory, which the first start makes. A file has one key a line, the base64 of 32 bytes:
the first one seals, all of them open.
"""

import base64
import binascii
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon.config.settings import ConfigError, Settings
from daemon.crypto.vault import KEY_BYTES, generate_key
from daemon.files.acting_user import acting_as_owner_of
from daemon.files.private_file import write_private_file
from daemon.files.regular_file import read_text
from daemon.systemd.credentials import ENCRYPTION_KEY as CREDENTIAL
from daemon.systemd.credentials import credential

ENCRYPTION_KEY = "encryption.key"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Keys, the one that seals first, and the file they stand in; `is_new` if it was just created.

    `is_credential` says that systemd made the file: nobody can write there, and its access rights are systemd's.
    """

    path: Path
    keys: tuple[bytes, ...] = field(repr=False)
    is_new: bool = False
    is_credential: bool = False


def find_keys(settings: Settings, environment: Mapping[str, str] = os.environ) -> KeyFile:
    """Return the keys; make the first one if none is given and the state directory has none.

    Raises ConfigError when the file is missing, cannot be read, holds anything else or can be read by others.
    """
    if (given := given_keys(settings, environment)) is not None:
        return given
    path = settings.state_dir / ENCRYPTION_KEY
    keys = (generate_key(),)
    try:
        write_keys(path, keys)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}): give this user the right to") from None
    return KeyFile(path, keys, is_new=True)


def given_keys(settings: Settings, environment: Mapping[str, str] = os.environ) -> KeyFile | None:
    """Return the keys, None if there is no key yet. Raises ConfigError as `find_keys` does."""
    if (handed := credential(CREDENTIAL, environment)) is not None:
        return KeyFile(handed, _parse(handed, _read(handed, links=True)), is_credential=True)
    if settings.secrets.key_file is not None:
        return read_keys(settings.secrets.key_file)
    path = settings.state_dir / ENCRYPTION_KEY
    return _read_keys(path, links=False) if os.path.lexists(path) else None


def read_keys(path: Path) -> KeyFile:
    """Return the keys in a file of the operator's choice that only its owner may read. Raises ConfigError."""
    return _read_keys(path, links=True)


def _read_keys(path: Path, *, links: bool) -> KeyFile:
    with acting_as_owner_of(path.parent):
        text = _read(path, links=links)
        mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(f"{path}: others than its owner have access to the encryption key: chmod 600 it")
    return KeyFile(path, _parse(path, text))


def write_keys(path: Path, keys: Sequence[bytes]) -> None:
    """Write the file as a whole, durably (0600). Raises OSError."""
    write_private_file(path, "".join(base64.b64encode(key).decode() + "\n" for key in keys))


def _read(path: Path, *, links: bool) -> str:
    try:
        return read_text(path, links=links)
    except OSError as error:
        advice = "be its user, or root" if isinstance(error, PermissionError) else "correct that"
        raise ConfigError(f"{path}: the encryption key cannot be read ({error.strerror}): {advice}") from None
    except UnicodeDecodeError:
        raise _spoilt(path) from None


def _parse(path: Path, text: str) -> tuple[bytes, ...]:
    keys = tuple(_decode(path, line) for line in text.split())
    if not keys:
        raise _spoilt(path)
    return keys


def _decode(path: Path, line: str) -> bytes:
    try:
        key = base64.b64decode(line, validate=True)
    except binascii.Error:
        raise _spoilt(path) from None
    if len(key) != KEY_BYTES:
        raise _spoilt(path)
    return key


def _spoilt(path: Path) -> ConfigError:
    return ConfigError(
        f"{path}: expected the base64 of {KEY_BYTES} bytes in each line, the encryption keys: restore it from a backup"
    )
