"""The resolver's files: /etc/hosts (hosts(5)) and /etc/resolv.conf (resolv.conf(5))."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Generic, TypeVar

import trio

from daemon.egress.addresses import Address
from daemon.egress.name_server import NameServer, is_address

HOSTS = Path("/etc/hosts")
RESOLV_CONF = Path("/etc/resolv.conf")

Hosts = Mapping[str, tuple[Address, ...]]
"""Each name, in lower case and without a final dot, with its addresses in the order of the file."""

_MAX_FILE = 1024 * 1024
_MAX_NAME_SERVERS = 3
_MAX_SEARCHED = 6
_CHECK_EVERY_S = 1.0
# The limits of glibc.
_MAX_NDOTS = 15
_MAX_TIMEOUT_S = 30
_MAX_ATTEMPTS = 5

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """The options of resolv.conf(5), with its defaults. `timeout` is in seconds, for one attempt at one server."""

    servers: tuple[NameServer, ...] = (NameServer("127.0.0.1"),)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout: float = 5
    attempts: int = 2
    rotate: bool = False
    over_tcp: bool = False


class WatchedFile(Generic[Parsed]):
    """A system file, read again when it has changed; checks for a change at most once a second."""

    def __init__(self, path: Path, parse: Callable[[str], Parsed]) -> None:
        """`parse` must accept any text without an error; a file that cannot be read counts as empty."""
        self._path = path
        self._parse = parse
        self._content = parse("")
        self._version: tuple[int, ...] | None = None
        self._looked_at = float("-inf")
        self._reading = trio.Lock()

    async def read(self) -> Parsed:
        """Return the parsed content of the file now. At most 1 MiB of it is read."""
        if trio.current_time() < self._looked_at + _CHECK_EVERY_S:
            return self._content
        async with self._reading:
            self._looked_at = trio.current_time()
            version = self._current_version()
            if version != self._version:
                self._content = await trio.to_thread.run_sync(self._read)
                self._version = version
        return self._content

    def _current_version(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - faster
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Parsed:
        try:
            with self._path.open("rb") as file:
                text = file.read(_MAX_FILE).decode("utf-8", "replace")
        except OSError:
            text = ""
        return self._parse(text)


def parse_hosts(text: str) -> Hosts:
    """Parse /etc/hosts; invalid lines are skipped."""
    found: dict[str, tuple[Address, ...]] = {}
    for line in text.splitlines():
        first, *names = line.partition("#")[0].split() or [""]
        try:
            address = ip_address(first)
        except ValueError:
            continue
        for name in names:
            known = found.get(key := name.lower().removesuffix("."), ())
            found[key] = known if address in known else (*known, address)
    return found


def parse_resolv_conf(text: str) -> ResolverOptions:
    """Parse /etc/resolv.conf; like the system's resolver, skips what is unknown and limits what is out of range."""
    servers: list[NameServer] = []
    search: tuple[str, ...] = ()
    options = ResolverOptions()
    for line in text.splitlines():
        if line[:1] in ("#", ";"):
            continue
        match line.split():
            case ["nameserver", address, *_] if is_address(address):
                servers.append(NameServer(address))
            case ["domain", name, *_]:
                search = (name,)
            case ["search", *names]:
                search = tuple(names[:_MAX_SEARCHED])
            case ["options", *words]:
                options = _with_options(options, words)
    named = tuple(servers[:_MAX_NAME_SERVERS]) or options.servers
    return replace(options, servers=named, search=tuple(name.strip(".") for name in search if name.strip(".")))


def _with_options(options: ResolverOptions, words: list[str]) -> ResolverOptions:
    for word in words:
        name, _, value = word.partition(":")
        number = int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else None
        match name, number:
            case "ndots", int():
                options = replace(options, ndots=min(number, _MAX_NDOTS))
            case "timeout", int():
                options = replace(options, timeout=min(max(number, 1), _MAX_TIMEOUT_S))
            case "attempts", int():
                options = replace(options, attempts=min(max(number, 1), _MAX_ATTEMPTS))
            case "rotate", None:
                options = replace(options, rotate=True)
            case "use-vc", None:
                options = replace(options, over_tcp=True)
    return options
