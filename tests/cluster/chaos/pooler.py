"""pgbouncer before a database, in transaction mode: no session of a client keeps its server's for longer."""

import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.cluster.chaos.proxy import Address
from tests.cluster.chaos.server import DATABASE, HOST
from tests.cluster.chaos.waiting import until
from tests.support.postgresql import SUPERUSER, as_server_user
from tests.support.programs import program

_CONFIGURATION = """\
[databases]
{database} = host={host} port={server_port} dbname={database}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
server_login_retry = 1
ignore_startup_parameters = extra_float_digits,options
logfile = {directory}/log
pidfile = {directory}/pid
"""


@asynccontextmanager
async def open_pooler(server: Address) -> AsyncIterator[Address]:
    """Run pgbouncer for this block; yield its address. Skips the test where it is not installed."""
    path = program("pgbouncer")
    directory = Path(tempfile.mkdtemp(prefix="kakiyo-pooler-"))
    try:
        port = await _free_port()
        configuration = directory / "pgbouncer.ini"
        configuration.write_text(
            _CONFIGURATION.format(database=DATABASE, host=HOST, server_port=server[1], port=port, directory=directory)
        )
        (directory / "users").write_text(f'"{SUPERUSER}" ""\n')
        for name in ("pgbouncer.ini", "users"):  # another user reads them, whatever umask another test has left here
            (directory / name).chmod(0o644)
        command = [*as_server_user(directory), path, str(configuration)]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await until(lambda: _answers((HOST, port)), within_s=30)
            yield HOST, port
        finally:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
                await process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _answers(address: Address) -> bool:
    try:
        stream = await trio.open_tcp_stream(*address)
    except OSError:
        return False
    await stream.aclose()
    return True


async def _free_port() -> int:
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    async with listener:
        port: int = listener.socket.getsockname()[1]
        return port
