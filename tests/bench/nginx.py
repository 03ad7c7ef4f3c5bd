"""The receiver: one nginx, in one process, that answers 200 to everything, over http or https, and writes nothing."""

import json
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tests.bench.processes import child
from tests.support.tls import TestAuthority

_START_S = 10
_INTERRUPTED_RETRY_S = 0.01
_CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen {address}{options};
        {tls}
        location / {{ default_type text/plain; return 200 "ok\\n"; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where nginx listens."""

    url: str
    port: int
    process: trio.Process = field(repr=False)

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """Have it answer nothing until the block is left; the kernel takes connections for it meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def nginx(directory: Path, authority: TestAuthority | None = None) -> AsyncIterator[Receiver]:
    """Run nginx in an empty directory until the block is left; with an authority's certificate it speaks TLS."""
    # Bound but not listening: nobody else gets the port, and nginx may share it.
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        configuration, errors = directory / "nginx.conf", directory / "error.log"
        configuration.write_text(_configuration(directory, f"127.0.0.1:{port}", authority), "utf-8")
        command = ["nginx", "-p", str(directory), "-e", str(errors), "-c", str(configuration)]
        async with child(command) as process:
            await _until_listening(process, port, errors)
            yield Receiver(f"{'https' if authority else 'http'}://127.0.0.1:{port}", port, process)


async def _until_listening(process: trio.Process, port: int, errors: Path) -> None:
    """Try to connect until it works: nginx tells nobody when it is ready."""
    with trio.fail_after(_START_S):
        while True:
            if process.poll() is not None:
                raise _ended(process, errors)
            try:
                await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                return
            except OSError:
                await trio.sleep(_INTERRUPTED_RETRY_S)


def _ended(process: trio.Process, errors: Path) -> RuntimeError:
    return RuntimeError(f"nginx ended with {process.returncode}: {errors.read_text('utf-8')}")


def _configuration(directory: Path, address: str, authority: TestAuthority | None) -> str:
    tls = "" if authority is None else _certificate(directory, authority)
    options = "" if authority is None else " ssl"
    return _CONFIGURATION.format(directory=directory, address=address, options=options, tls=tls)


def _certificate(directory: Path, authority: TestAuthority) -> str:
    pem = directory / "server.pem"
    authority.authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    return f"ssl_certificate {json.dumps(str(pem))}; ssl_certificate_key {json.dumps(str(pem))};"
