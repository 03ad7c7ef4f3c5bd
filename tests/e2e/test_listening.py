"""Where the API actually listens: logged, kept for the commands, warned of when public (contract "Command line")."""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import replace

import pytest
import trio

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.forked import run_forked
from tests.support.process import REPOSITORY, DaemonProcess, Installation, clean_environment, daemon_process


async def list_teams(installation: Installation) -> subprocess.CompletedProcess[bytes]:
    """Reach the daemon by its settings and its state directory alone."""
    environment = clean_environment({"KAKIYO_WEBHOOKS_API__BIND": installation.bind})
    return await run_forked(["teams", "list", "--state-dir", str(installation.state_dir)], environment=environment)


@ends_within(60)
async def test_the_port_that_the_system_chose_is_logged_and_found_by_the_commands(
    new_installation: MakeInstallation,
) -> None:
    installation = replace(new_installation(), bind="127.0.0.1:0")
    kept = installation.state_dir / "listening.json"
    for _ in range(2):
        async with daemon_process(installation) as daemon:
            [ready] = await daemon.logged("daemon_ready")
            assert json.loads(kept.read_text()) == [ready["bind"]]
            assert not ready["bind"].endswith(":0")
            assert kept.stat().st_mode & 0o777 == 0o600
            assert (await list_teams(installation)).stdout == b"none\n"
            if not daemon.log_lines("operator_key_created"):
                continue
            await daemon.kill()
        assert kept.exists(), "a crash forgets nothing, and the next start writes it anew"
    assert not kept.exists()
    ended = await list_teams(installation)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"give --api-url" in ended.stderr


@ends_within(40)
async def test_an_inherited_socket_is_found_by_the_commands(new_installation: MakeInstallation) -> None:
    installation = new_installation()
    with installation.reserved.dup() as listening:
        listening.listen()
        activated = replace(installation, bind=f"fd://{listening.fileno()}")
        async with operated(activated, pass_fds=[listening.fileno()]) as operator:
            [ready] = await operator.daemon.logged("daemon_ready")
            assert ready["bind"] == installation.bind
            assert (await list_teams(activated)).stdout == b"none\n"


@pytest.mark.fault(
    "The API is bound to a public address, or to all, and nothing is said of TLS before it",
    "The start and `doctor` warn; not for loopback, private addresses, or with https in `public_url`",
)
@pytest.mark.parametrize(
    ("host", "public_url", "warned"),
    [
        ("0.0.0.0", "http://hooks.example.com", True),
        ("8.8.8.8", "http://127.0.0.1:8480", True),
        ("0.0.0.0", "HTTPS://hooks.example.com", False),
        ("10.1.2.3", "http://hooks.example.com", False),
        ("127.0.0.1", "http://hooks.example.com", False),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
@ends_within(40)
async def test_a_public_listener_without_tls_gets_a_warning(
    new_installation: MakeInstallation, host: str, public_url: str, warned: bool
) -> None:
    installation = replace(new_installation(), bind=f"{host}:0")
    network = ["unshare", "--net", "sh", "-c", f'ip link set lo up && ip addr add {host}/32 dev lo; exec "$@"', "sh"]
    process = await trio.lowlevel.open_process(
        [*network, *installation.command],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=clean_environment({"KAKIYO_WEBHOOKS_PUBLIC_URL": public_url}),
        cwd=REPOSITORY,
    )
    daemon = DaemonProcess(installation, process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.read_log)
        [ready] = await daemon.logged("daemon_ready")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
    assert [line["bind"] for line in daemon.log_lines("public_without_tls")] == ([ready["bind"]] if warned else [])
