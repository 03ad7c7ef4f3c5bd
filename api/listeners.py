"""Where the API listens: `api.bind` of the settings (contract "Configuration")."""

import errno
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import trio

from daemon.config import ConfigError

Listeners = list[trio.SocketListener]

_BACKLOG = 1024
_SOCKET_MODE = 0o660
_ANSWERS_WITHIN_S = 2
_FIRST_PASSED = 3  # SD_LISTEN_FDS_START


def passed_descriptors(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> Sequence[int]:
    """Return the descriptors that systemd passed to this process, after sd_listen_fds(3): none without socket unit."""
    of_pid, count = environment.get("LISTEN_PID", ""), environment.get("LISTEN_FDS", "")
    if of_pid != str(os.getpid() if pid is None else pid) or not count.isdecimal():
        return ()
    return range(_FIRST_PASSED, _FIRST_PASSED + int(count))


async def open_listeners(bind: str, passed: Sequence[int] = ()) -> Listeners:
    """Return listeners for "host:port", "unix:/path" or "fd://number"; a descriptor stays open, a copy is used.

    If sockets were passed by systemd, it listens on these, all of them, one of which has to be at `bind`.
    A socket file that is left over is replaced. Raises ConfigError, in one sentence, if the address cannot be had.
    """
    if bind.startswith("fd://"):
        return [_adopt(int(bind.removeprefix("fd://")))]
    if passed:
        return await _adopt_all(passed, bind)
    try:
        if bind.startswith("unix:"):
            return [await _listen_on_path(trio.Path(bind.removeprefix("unix:")))]
        host, _, port = bind.rpartition(":")
        return list(await trio.open_tcp_listeners(int(port), host=host.strip("[]"), backlog=_BACKLOG))
    except OSError as error:
        raise ConfigError(_explain(bind, error)) from None


def is_exposed(listeners: Listeners) -> bool:
    """Whether other machines can reach one of them."""
    addresses = (listener.socket.getsockname() for listener in listeners)
    return any(not isinstance(at, str | bytes) and not ip_address(at[0]).is_loopback for at in addresses)


async def _adopt_all(passed: Sequence[int], bind: str) -> Listeners:
    listeners = [_adopt(descriptor) for descriptor in passed]
    addresses = [listener.socket.getsockname() for listener in listeners]
    # Else nobody would find it where the settings say: the commands, the proxy, the people.
    if not await _is_among(bind, addresses):
        for listener in listeners:
            listener.socket.close()
        shown = ", ".join(map(_shown, addresses))
        raise ConfigError(
            f"api.bind: {bind} is not where systemd's socket unit listens ({shown}): "
            "write the same address into both, or disable the socket unit"
        )
    return listeners


async def _is_among(bind: str, addresses: Sequence[Any]) -> bool:
    if bind.startswith("unix:"):
        return bind.removeprefix("unix:") in addresses
    host, _, port = bind.rpartition(":")
    with suppress(OSError):
        meant = await trio.socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        return any(address[:2] == passed[:2] for *_, address in meant for passed in addresses)
    return False


def _shown(address: Any) -> str:
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _adopt(descriptor: int) -> trio.SocketListener:
    try:
        copy = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        raise ConfigError(_NOT_A_LISTENER.format(descriptor)) from None
    if copy.type != socket.SOCK_STREAM or not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        copy.close()
        raise ConfigError(_NOT_A_LISTENER.format(descriptor))
    return trio.SocketListener(trio.socket.from_stdlib_socket(copy))


async def _listen_on_path(path: trio.Path) -> trio.SocketListener:
    await _remove_left_over(path)
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await listening.bind(str(path))
        await path.chmod(_SOCKET_MODE)  # before it listens: until then nobody can connect
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return trio.SocketListener(listening)


async def _remove_left_over(path: trio.Path) -> None:
    try:
        status = await path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode) or await _somebody_answers(path):
        raise OSError(errno.EADDRINUSE, "in use")
    await path.unlink()


async def _somebody_answers(path: trio.Path) -> bool:
    with trio.move_on_after(_ANSWERS_WITHIN_S):
        try:
            stream = await trio.open_unix_socket(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        await trio.aclose_forcefully(stream)
    return True


def _explain(bind: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"api.bind: {bind} is in use by another program: stop it, or set another address"
    return f"api.bind: {bind} cannot be listened on ({error.strerror or error}): set another address"


_NOT_A_LISTENER = "api.bind: fd://{} is no listening socket: let systemd pass one, or set another address"
