"""The client commands and a real daemon understand each other."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import trio

from daemon.cli import main
from daemon.cli.inputs import read_bytes
from daemon.demo.receiver import ReceivedRequest, listen_on_loopback, serve_receiver, url_of, with_status
from daemon.demo.verification import SignatureState, verify
from tests.support.forked import run_forked
from tests.support.process import Installation, clean_environment, daemon_process, make_installation


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path)
    yield made
    made.close()


class _Commands:
    """Commands run in a thread of this process: a process for each would take half a minute in all."""

    def __init__(self, installation: Installation) -> None:
        self._options = ["--api-url", installation.url, "--state-dir", str(installation.state_dir)]

    async def run(self, *arguments: str, expect: int = 0) -> str:
        return await trio.to_thread.run_sync(self._run, arguments, expect)

    def _run(self, arguments: tuple[str, ...], expect: int) -> str:
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main([*arguments, *self._options])
        assert (ended.value.code or 0) == expect, (arguments, out.getvalue(), err.getvalue())
        return err.getvalue() if expect else out.getvalue()


async def test_a_team_is_set_up_served_charged_and_looked_at_by_commands_alone(
    tmp_path: Path, installation: Installation
) -> None:
    got: trio.MemorySendChannel[ReceivedRequest]
    got, received = trio.open_memory_channel(10)

    def answer(request: ReceivedRequest) -> int:
        got.send_nowait(request)
        return 200

    listener = await listen_on_loopback(0)
    async with trio.open_nursery() as nursery, daemon_process(installation):
        nursery.start_soon(serve_receiver, listener, with_status(answer))
        run = _Commands(installation).run
        await run("teams", "create", "--id", "team_me", "--name", "Me", "--email", "me@example.com")
        assert "me@example.com" in await run("teams", "list")
        assert "Renamed" in await run("teams", "update", "team_me", "--name", "Renamed")
        made = ["--team", "team_me", "--name", "Mine", "--url", url_of(listener), "--event", "*", "--generate-secret"]
        webhook = json.loads(await run("webhooks", "create", *made, "--json"))
        assert webhook["id"] in await run("webhooks", "list", "--team", "team_me")

        event = [
            "--team",
            "team_me",
            "--type",
            "linkedin.message.sent",
            "--data",
            '{"message": "Grüße", "price": 10.50}',
        ]
        sent = json.loads(await run("events", "send", *event, "--idempotency-key", "1", "--json"))
        assert json.loads(await run("events", "send", *event, "--idempotency-key", "1", "--json")) == sent
        request = await received.receive()
        assert verify(request, webhook["secret"]).signature is SignatureState.VALID
        delivery_id = request.header("webhook-id")
        assert delivery_id
        await _until_succeeded(run, delivery_id)
        shown = await run("events", "show", sent["id"])
        assert delivery_id in shown
        assert '"price": 10.50' in shown
        assert delivery_id in await run("deliveries", "list", "--status", "succeeded", "--since", "1h")

        resent = json.loads(await run("deliveries", "resend", delivery_id, "--json"))
        assert (await received.receive()).body == request.body
        await _until_succeeded(run, resent["id"])
        again = ("deliveries", "resend", "--webhook", webhook["id"], "--status", "succeeded", "--team", "team_me")
        assert "2 deliveries" in await run(*again, "--dry-run")
        assert re.fullmatch(r"Job job_\w+: 2 resent\.\n", await run(*again, "--yes"))
        assert [(await received.receive()).body for _ in range(2)] == [request.body] * 2
        await _until_none_is_pending(run)
        waits = ("deliveries", "cancel", "--status", "pending", "--team", "team_me", "--yes")
        assert "nothing to cancel" in await run(*waits)
        assert "dlv_" in await run("webhooks", "test", "--team", "team_me", "--type", "prospect.unqualified")
        assert (await received.receive()).header("x-kakiyo-test") == "true"
        triggered = await run("trigger", "linkedin.invitation.sent", "--team", "team_me")
        assert (await received.receive()).header("x-kakiyo-event") == "linkedin.invitation.sent"
        assert re.search(r"event +evt_\S+\s+deliveries +1\s+\S+  succeeded  200 · ", triggered), triggered
        line = json.dumps({"event": "prospect.unqualified", "teamId": "team_me", "data": {}})
        (tmp_path / "events").write_text(f"{line}\n{line}\n")
        assert (await run("events", "batch", str(tmp_path / "events"))).count("evt_") == 2

        await run("credits", "grant", "--team", "team_me", "--amount", "10", "--note", "hello")
        assert "hello" in await run("credits", "entries", "--team", "team_me")
        assert json.loads(await run("credits", "show", "--team", "team_me", "--json"))["perDelivery"] == 2
        assert "prospect.unqualified" in await run("events", "types")
        assert json.loads(await run("events", "example", "linkedin.message.sent"))["event"] == "linkedin.message.sent"

        key = json.loads(await run("keys", "create", "--team", "team_me", "--name", "ci", "--json"))
        assert key["id"] in await run("keys", "list", "--team", "team_me")
        await run("keys", "revoke", key["id"])
        reader = json.loads(await run("keys", "create", "--team", "team_me", "--name", "r", "--role", "read", "--json"))
        assert reader["role"] == "read"
        trail = await run("teams", "audit", "team_me", "--about", key["id"])
        assert sorted(re.findall(r"key\.\w+", trail)) == ["key.created", "key.revoked"]
        assert "disabled" in await run("webhooks", "disable", webhook["id"])
        assert "active" in await run("webhooks", "enable", webhook["id"])
        assert "deliveries  0" in await run("webhooks", "recover", webhook["id"], "--since", "1h")
        assert "No active" not in await run("webhooks", "show", webhook["id"])
        await run("webhooks", "delete", webhook["id"])

        assert "not_found" in await run("webhooks", "show", webhook["id"], expect=4)
        assert "--url: " in await run("webhooks", "create", *made[:4], "--url", "ftp://x", "--event", "*", expect=1)
        nursery.cancel_scope.cancel()


async def _until_succeeded(run: Callable[..., Awaitable[str]], delivery_id: str) -> None:
    with trio.fail_after(10):
        while json.loads(await run("deliveries", "show", delivery_id, "--json"))["status"] != "succeeded":
            pass  # each look takes a while itself


async def _until_none_is_pending(run: Callable[..., Awaitable[str]]) -> None:
    pending = ("deliveries", "list", "--team", "team_me", "--status", "pending", "--json")
    with trio.fail_after(10):
        while "dlv_" in await run(*pending):
            pass


async def test_the_log_of_a_real_daemon_is_readable(tmp_path: Path, installation: Installation) -> None:
    with (tmp_path / "daemon.log").open("wb") as log:
        async with daemon_process(installation, stderr=log.fileno()):
            pass
    shown = (
        await run_forked(["logs", str(tmp_path / "daemon.log")], environment=clean_environment({}))
    ).stdout.decode()
    assert len(shown.splitlines()) == len(read_bytes(tmp_path / "daemon.log").splitlines())
    assert "info    daemon_ready" in shown
