"""The daemon behind nginx and Caddy, with the configurations in docs/proxy: what gets through and what does not."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from tests.bench.processes import child
from tests.e2e.conftest import MakeInstallation
from tests.e2e.operating import make_event, operated
from tests.support.process import REPOSITORY
from tests.support.programs import program
from tests.support.tls import TestAuthority

NAME = "hooks.example.com"
PROXIES = ("nginx", "caddy")
_NGINX = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {server}
}}
"""
_CADDY = """
{{
	admin off
	auto_https disable_redirects
	default_bind 127.0.0.1
	storage file_system {directory}
}}
{server}
"""


def nginx_command(directory: Path, port: int, upstream: str, pem: Path) -> list[str]:
    """Write the documented configuration for this port and daemon; return the command that runs it."""
    server = (REPOSITORY / "docs/proxy/nginx.conf").read_text().replace("127.0.0.1:8480", upstream)
    server = server.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    for name in ("fullchain", "privkey"):
        server = server.replace(f"/etc/ssl/{NAME}/{name}.pem", str(pem))
    (directory / "nginx.conf").write_text(_NGINX.format(directory=directory, server=server))
    return [program("nginx"), "-p", str(directory), "-e", str(directory / "errors"), "-c", f"{directory}/nginx.conf"]


def caddy_command(directory: Path, port: int, upstream: str, pem: Path) -> list[str]:
    """Do the same for Caddy, with a certificate of our own instead of one that it would get."""
    server = (REPOSITORY / "docs/proxy/Caddyfile").read_text().replace("127.0.0.1:8480", upstream)
    server = server.replace(f"{NAME} {{", f"https://{NAME}:{port} {{\n\ttls {pem} {pem}")
    (directory / "Caddyfile").write_text(_CADDY.format(directory=directory, server=server))
    return [program("caddy"), "run", "--config", f"{directory}/Caddyfile", "--adapter", "caddyfile"]


@asynccontextmanager
async def proxied(
    name: str, directory: Path, port: int, upstream: str, authority: TestAuthority
) -> AsyncIterator[None]:
    """Run a proxy before the daemon, which listens when the block begins."""
    pem = directory / "server.pem"
    authority.authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(str(pem))
    command = {"nginx": nginx_command, "caddy": caddy_command}[name](directory, port, upstream, pem)
    async with child(command, environment={"HOME": str(directory)}) as process:
        with trio.fail_after(10):
            while True:
                assert process.poll() is None, f"{name} ended"
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await trio.sleep(0.02)  # it tells nobody when it is ready
        yield


async def name_the_host(request: httpx.Request) -> None:
    """Request the name in the certificate, whatever the address."""
    request.headers["Host"] = f"{NAME}:{request.url.port}"
    request.extensions["sni_hostname"] = NAME


@pytest.mark.parametrize("name", PROXIES)
async def test_the_api_and_the_console_are_reached_through_the_proxy_and_nothing_else(
    name: str, new_installation: MakeInstallation, authority: TestAuthority, tmp_path: Path
) -> None:
    program(name)
    installation, place = new_installation(), new_installation()  # the second one for its port
    port = place.reserved.getsockname()[1]
    place.close()
    trusted = ssl.create_default_context(cafile=str(authority.ca_file))
    url, origin = f"https://127.0.0.1:{port}", f"https://{NAME}:{port}"
    async with (
        operated(installation, environment={"KAKIYO_WEBHOOKS_PUBLIC_URL": origin}) as operator,
        proxied(name, tmp_path, port, installation.bind, authority),
        httpx.AsyncClient(base_url=url, verify=trusted, trust_env=False,
                          event_hooks={"request": [name_the_host]}) as outside,
    ):  # fmt: skip
        await operator.make_team()
        key = {"Authorization": f"Bearer {installation.read_key()}"}
        assert (await outside.post("/v1/events", json=make_event(1), headers=key)).status_code == 202
        large = [make_event(number) | {"data": {"n": number, "text": "x" * 200_000}} for number in range(40)]
        assert (await outside.post("/v1/events/batch", json=large, headers=key)).status_code == 202
        assert await _is_too_large(outside, b"x" * 8_800_000, key)
        for local in ("/metrics", "/readyz", "/healthz", "/openapi.json", "/"):
            assert (await outside.get(local)).status_code == 404, local
        await _use_the_console(outside, origin, installation.read_key())


async def _is_too_large(outside: httpx.AsyncClient, body: bytes, key: dict[str, str]) -> bool:
    """Whether the proxy refuses it. A client that is still sending then may miss the answer (RFC 9112 9.6)."""
    try:
        headers = key | {"Content-Type": "application/json"}
        return (await outside.post("/v1/events/batch", content=body, headers=headers)).status_code == 413
    except httpx.TransportError:
        return True


async def _use_the_console(outside: httpx.AsyncClient, origin: str, key: str) -> None:
    """Sign in, and watch a live page, whose first part has to come at once."""
    form = {"key": key, "next": "/console/"}
    signed_in = await outside.post("/console/sign-in", data=form, headers={"Origin": origin})
    assert signed_in.status_code == 303, signed_in.text
    assert "Secure" in signed_in.headers["Set-Cookie"]
    cookie = {"Cookie": signed_in.headers["Set-Cookie"].partition(";")[0]}
    assert (await outside.get("/console/teams", headers=cookie)).status_code == 200
    pieces: list[bytes] = []
    with trio.move_on_after(5) as watching:
        async with outside.stream("GET", "/console/teams/acme/webhooks/live", headers=cookie) as live:
            assert live.headers["Content-Type"].startswith("text/event-stream")
            async for piece in live.aiter_bytes():
                pieces.append(piece)
                watching.cancel()
    assert pieces
