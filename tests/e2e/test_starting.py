"""Starting: in time, or refused in one sentence (contract "Command line", "Configuration")."""

import json
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.forked import run_forked
from tests.support.process import Installation, clean_environment, daemon_process, run_to_its_end


@pytest.fixture
def real_start(new_installation: MakeInstallation) -> Installation:
    """Its daemon is started by the command, in its own interpreter."""
    return replace(new_installation(), forked=False)


def refusal_of(ended: subprocess.CompletedProcess[bytes]) -> str:
    """Return what was said on stderr beside the log, having asserted that it was one sentence and exit code 2."""
    lines = ended.stderr.decode().splitlines()
    said = [line for line in lines if not line.startswith("{")]
    assert ended.returncode == 2, lines
    assert len(said) == 1, lines
    assert "Traceback" not in ended.stderr.decode()
    assert ended.stdout == b""
    return said[0]


@ends_within(20)
async def test_the_daemon_is_ready_in_time_and_its_state_is_private(real_start: Installation) -> None:
    started = trio.current_time()
    async with operated(real_start) as operator:
        assert trio.current_time() - started < 5, "about a second, where nothing else runs"
        assert (await operator.call("GET", "/readyz"))["status"] == "ready"
        assert mode_of(real_start.state_dir) == 0o700
        assert mode_of(real_start.state_dir / "operator.key") == 0o600
        assert {mode_of(file) for file in real_start.state_dir.iterdir() if file.is_file()} == {0o600}
        assert (await operator.call("GET", "/v1/verify"))["operator"] is True
        [created] = await operator.daemon.logged("operator_key_created")
        assert created["path"] == str(real_start.state_dir / "operator.key")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@ends_within(20)
async def test_a_busy_port_is_reported_in_one_sentence(real_start: Installation) -> None:
    real_start.reserved.listen()
    assert f"api.bind: {real_start.bind} is in use" in refusal_of(await run_to_its_end(real_start))


@ends_within(20)
async def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on(
    installation: Installation, new_installation: MakeInstallation
) -> None:
    async with operated(installation) as operator:
        second = await run_to_its_end(replace(new_installation(), state_dir=installation.state_dir))
        assert f"{installation.state_dir} is in use by another daemon" in refusal_of(second)
        assert (await operator.call("GET", "/healthz"))["status"] == "ok"


@ends_within(20)
async def test_a_state_directory_that_cannot_be_used_is_reported_in_one_sentence(installation: Installation) -> None:
    installation.state_dir.write_text("a file where the directory should be")
    assert f"state_dir: {installation.state_dir} cannot be used" in refusal_of(await run_to_its_end(installation))


@ends_within(20)
async def test_a_file_that_is_no_database_is_reported_in_one_sentence_and_left_alone(
    installation: Installation,
) -> None:
    installation.state_dir.mkdir()
    database = installation.state_dir / "kakiyo-webhooks.db"
    database.write_text("no database at all, and more than a hundred characters of it: " + "x" * 100)
    assert str(database) in refusal_of(await run_to_its_end(installation))
    assert database.read_text().startswith("no database at all")


@pytest.mark.parametrize(
    ("section", "setting", "value", "expected"),
    [
        ("delivery", "timeout_s", -1, "greater than 0"),
        ("delivery", "retries", 3, "unknown setting"),
        ("egress", "allow_networks", ["10.0.0.0/33"], "10.0.0.0/8"),
    ],
)
@ends_within(20)
async def test_a_wrong_setting_in_the_file_stops_the_start_by_name(
    new_installation: MakeInstallation, section: str, setting: str, value: Any, expected: str
) -> None:
    installation = new_installation(**{section: {setting: value}})
    said = refusal_of(await run_to_its_end(installation))
    assert str(installation.config) in said
    assert f"{section}.{setting}" in said
    assert expected in said


@ends_within(20)
async def test_a_wrong_setting_in_the_environment_stops_the_start_by_the_variables_name(
    installation: Installation,
) -> None:
    said = refusal_of(await run_to_its_end(installation, KAKIYO_WEBHOOKS_CREDITS__ENFORCE="perhaps"))
    assert "KAKIYO_WEBHOOKS_CREDITS__ENFORCE" in said
    assert "perhaps" in said


@ends_within(30)
async def test_the_command_line_reaches_a_daemon_on_a_unix_socket(tmp_path: Path, real_start: Installation) -> None:
    installation = replace(real_start, bind=f"unix:{tmp_path}/api.sock")
    async with daemon_process(installation) as daemon:
        assert mode_of(tmp_path / "api.sock") == 0o660
        made = await run_command(installation, "teams", "create", "--id", "acme", "--name", "Acme", "--json")
        assert json.loads(made)["id"] == "acme"
        await daemon.kill()
    async with daemon_process(installation):  # the socket's file was left over by the kill
        assert "acme" in (await run_command(installation, "teams", "list")).decode()


async def run_command(installation: Installation, *arguments: str) -> bytes:
    options = ["--state-dir", str(installation.state_dir), "--api-url", installation.bind]
    ended = await run_forked([*arguments, *options], environment=clean_environment({}))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@ends_within(30)
async def test_under_socket_activation_a_connection_made_before_the_start_is_answered(real_start: Installation) -> None:
    with real_start.reserved.dup() as listening:
        listening.listen()
        descriptor = listening.fileno()
        activated = replace(real_start, bind=f"fd://{descriptor}")
        async with await trio.open_tcp_stream(*real_start.reserved.getsockname()) as early:
            await early.send_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            async with operated(activated, pass_fds=[descriptor]) as operator:
                answer = b"".join([part async for part in early])
                assert answer.startswith(b"HTTP/1.1 200")
                await operator.make_team()
        async with operated(activated, pass_fds=[descriptor]) as operator:
            assert [team["id"] for team in await operator.list_all("/v1/teams")] == ["acme"]


@ends_within(20)
async def test_the_service_manager_is_notified_of_readiness_life_and_stopping(real_start: Installation) -> None:
    async with operated(real_start, environment={"WATCHDOG_USEC": "100000"}) as operator:
        await operator.daemon.noticed("WATCHDOG=1", 3)
    notices = operator.daemon.notices
    assert notices.count("READY=1") == notices.count("STOPPING=1") == 1
    assert notices.index("READY=1") < notices.index("WATCHDOG=1") < notices.index("STOPPING=1")
