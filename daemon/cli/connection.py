"""Where the daemon is, and with which key it is spoken to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from daemon.cli.exits import CommandError, ExitCode
from daemon.config.place import Place, find_place
from daemon.config.sources import ConfigError
from daemon.domain.bind_address import PassedSocket, TcpAddress, client_url, parse_bind
from daemon.files.kept_addresses import kept_addresses
from daemon.files.regular_file import read_text
from daemon.systemd.credentials import OPERATOR_KEY, credential

KEY_VARIABLE = "KAKIYO_WEBHOOKS_API_KEY"


@dataclass(frozen=True, slots=True)
class Connection:
    """An API's base URL, the unix socket to go through (or None), the key, which is never shown, and its origin."""

    base_url: str
    socket_path: str | None
    key: str = field(repr=False)
    key_from: str

    @property
    def address(self) -> str:
        """The same for a person."""
        return f"unix:{self.socket_path}" if self.socket_path else self.base_url


def find_connection(
    api_url: str | None, config: Path | None, state_dir: Path | None, environment: Mapping[str, str] = os.environ
) -> Connection:
    """Return the connection from the options, else the environment, else from where the daemon of the state directory
    says that it listens, else from the settings (file and defaults).

    Raises CommandError (USAGE) when there is no key, when its file may not be read, or when the settings are wrong.
    """
    key, origin = environment.get(KEY_VARIABLE), f"the variable {KEY_VARIABLE}"
    if not (api_url and key):
        place = _find_place(config, state_dir)
        api_url = api_url or api_address(place.state_dir, place.bind)
        if not key:
            given = credential(OPERATOR_KEY, environment)
            file = given or place.state_dir / "operator.key"
            key, origin = _key_from(file, links=given is not None), f"the file {file}"
    base_url, socket_path = _parse_address(api_url)
    return Connection(base_url, socket_path, _checked(key, origin), key_from=origin)


def _find_place(config: Path | None, state_dir: Path | None) -> Place:
    try:
        place = find_place(config, state_dir)
    except ConfigError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    if place is not None:
        return place
    from daemon.cli.settings import read_settings

    settings = read_settings(config, state_dir)  # which says what is wrong
    return Place(settings.state_dir, settings.api.bind)


def api_address(state_dir: Path, bind: str) -> str:
    """Return where a daemon of this state directory, with this `api.bind`, is reached. Raises CommandError (USAGE)."""
    if kept := kept_addresses(state_dir):
        return client_url(kept[0])
    try:
        address = parse_bind(bind)
    except ValueError as error:
        raise CommandError(f"api.bind: {error} (found {bind!r})", ExitCode.USAGE) from None
    if isinstance(address, PassedSocket) or (isinstance(address, TcpAddress) and address.port == 0):
        raise CommandError(
            f"Where the daemon listens ({bind}) is known while it runs, to itself and root: give --api-url.",
            ExitCode.USAGE,
        )
    return client_url(address)


def _parse_address(address: str) -> tuple[str, str | None]:
    if address.startswith("unix:/"):
        return "http://localhost", address.removeprefix("unix:")
    if address.lower().startswith(("http://", "https://")) and _names_a_host(address):
        return address.rstrip("/"), None
    raise CommandError(
        f'{address}: not an address of the API: give "http://host:port" or "unix:/path".', ExitCode.USAGE
    )


def _names_a_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc or any(map(str.isspace, address)))
    return has_host and is_plain


def _key_from(file: Path, *, links: bool) -> str:
    try:
        return read_text(file, links=links).strip()
    except (FileNotFoundError, NotADirectoryError):
        raise CommandError(
            f"There is no key at {file}: start the daemon once, "
            f"name its --state-dir or --config, or set {KEY_VARIABLE}.",
            ExitCode.USAGE,
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a key"
        raise CommandError(
            f"The key at {file} cannot be read ({reason}): run this as root or as the daemon's user, "
            f"or set {KEY_VARIABLE}.",
            ExitCode.USAGE,
        ) from None


def _checked(key: str, origin: str) -> str:
    if key and key.isascii() and key.isprintable() and " " not in key:
        return key
    raise CommandError(f"The key is empty or not a key: correct {origin}.", ExitCode.USAGE)
