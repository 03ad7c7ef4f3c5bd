"""Where the API listens: `api.bind` of the settings (contract "Configuration")."""

import errno
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, assert_never

import trio

from daemon.config.settings import ConfigError
from daemon.domain.bind_address import PassedSocket, TcpAddress, UnixAddress, parse_bind

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
    """Return listeners for what `parse_bind` takes; a descriptor stays open, a copy is used.

    If sockets were passed by systemd, it listens on these, all of them, one of which has to be at `bind`.
    A socket file that is left over is replaced. Raises ConfigError, in one sentence, if the address cannot be had.
    """
    address = parse_bind(bind)
    if isinstance(address, PassedSocket):
        return [_adopt(address.descriptor)]
    if passed:
        return await _adopt_all(passed, address)
    try:
        return await _listen_at(address)
    except OSError as error:
        raise ConfigError(_explain(bind, error)) from None


def addresses_of(listeners: Listeners) -> tuple[TcpAddress | UnixAddress, ...]:
    """Return where they listen in fact: with the port that was free, and whatever a descriptor stood for."""
    return tuple(_address(listener.socket.getsockname()) for listener in listeners)


async def _listen_at(address: TcpAddress | UnixAddress) -> Listeners:
    match address:
        case UnixAddress(path):
            return [await _listen_on_path(trio.Path(path))]
        case TcpAddress(host, port):
            return list(await trio.open_tcp_listeners(port, host=host, backlog=_BACKLOG))
        case _:
            assert_never(address)


async def _adopt_all(passed: Sequence[int], bind: TcpAddress | UnixAddress) -> Listeners:
    listeners = [_adopt(descriptor) for descriptor in passed]
    # Else nobody would find it where the settings say: the commands, the proxy, the people.
    if not await _is_among(bind, [listener.socket.getsockname() for listener in listeners]):
        shown = ", ".join(map(str, addresses_of(listeners)))
        for listener in listeners:
            listener.socket.close()
        raise ConfigError(
            f"api.bind: {bind} is not where systemd's socket unit listens ({shown}): "
            "write the same address into both, or disable the socket unit"
        )
    return listeners


async def _is_among(bind: TcpAddress | UnixAddress, addresses: Sequence[Any]) -> bool:
    if not isinstance(bind, TcpAddress):
        return bind in map(_address, addresses)
    with suppress(OSError):
        meant = await trio.socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM)
        return any(address[:2] == passed[:2] for *_, address in meant for passed in addresses)
    return False


def _address(of_socket: Any) -> TcpAddress | UnixAddress:
    if isinstance(of_socket, str | bytes):
        return UnixAddress(os.fsdecode(of_socket))
    return TcpAddress(of_socket[0], of_socket[1])


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
