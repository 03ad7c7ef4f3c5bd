"""Where the API listens: `api.bind` of the settings (SPEC "Configuration")."""

import errno
import os
import socket
import stat

import trio

from daemon.config import ConfigError

Listeners = list[trio.SocketListener]

_BACKLOG = 1024
_SOCKET_MODE = 0o660
_ANSWERS_WITHIN_S = 2


async def open_listeners(bind: str) -> Listeners:
    """Return listeners for "host:port", "unix:/path" or "fd://number"; the descriptor stays open, a copy is used.

    A socket file that is left over is replaced. Raises ConfigError, in one sentence, if the address cannot be had.
    """
    if bind.startswith("fd://"):
        return [_adopt(int(bind.removeprefix("fd://")))]
    try:
        if bind.startswith("unix:"):
            return [await _listen_on_path(trio.Path(bind.removeprefix("unix:")))]
        host, _, port = bind.rpartition(":")
        return list(await trio.open_tcp_listeners(int(port), host=host.strip("[]"), backlog=_BACKLOG))
    except OSError as error:
        raise ConfigError(_explain(bind, error)) from None


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
