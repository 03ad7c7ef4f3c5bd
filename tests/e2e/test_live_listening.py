"""`listen --live`: the real command, a real daemon and a real server behind it (contract "Command line")."""

import json
import signal
from contextlib import AsyncExitStack
from functools import partial

import trio
from standardwebhooks import Webhook as StandardWebhook

from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.forked_command import ForkedCommand, running_command
from tests.support.process import Installation
from tests.support.receivers import open_receiver, respond


async def _line(command: ForkedCommand, of: str = "stdout") -> str:
    return str(await trio.to_thread.run_sync(getattr(command, of).readline, abandon_on_cancel=True))


async def _interrupted(command: ForkedCommand) -> int:
    command.send_signal(signal.SIGINT)
    return await trio.to_thread.run_sync(partial(command.wait, 10))


def _options(installation: Installation) -> list[str]:
    place = ["--api-url", installation.url, "--state-dir", str(installation.state_dir)]
    return ["listen", "--live", "--team", "acme", "--json", *place]


async def _secret(command: ForkedCommand) -> str:
    assert (await _line(command, "stderr")).startswith("Listening live to ")
    return (await _line(command, "stderr")).split()[-1]


@ends_within(40)
async def test_what_the_server_behind_the_command_answers_is_the_outcome(installation: Installation) -> None:
    async with open_receiver(respond(202)) as receiver, operated(installation) as operator:
        await operator.make_team()
        with running_command(*_options(installation), "--forward-to", receiver.url) as command:
            secret = await _secret(command)
            await operator.submit(1, 2, 3)
            shown = [json.loads(await _line(command)) for _ in range(3)]
            await operator.until_nothing_is_pending()
            deliveries = await operator.deliveries()
            assert await _interrupted(command) == 0
        await operator.daemon.logged("webhook_deleted")
        assert await operator.list_all("/v1/webhooks") == []
    assert [one["answered"] for one in shown] == [202, 202, 202]
    assert [one["signature"] for one in shown] == ["valid"] * 3
    assert [one["lastAttempt"]["status"] for one in deliveries] == [202, 202, 202]
    assert [json.loads(got.body)["data"]["n"] for got in receiver.requests] == [1, 2, 3]
    for got in receiver.requests:
        StandardWebhook(secret).verify(got.body, dict(got.headers))


@ends_within(60)
async def test_it_listens_again_with_the_same_secret_to_a_daemon_that_was_started_again(
    installation: Installation,
) -> None:
    async with AsyncExitStack() as first:
        operator = await first.enter_async_context(operated(installation))
        await operator.make_team()
        with running_command(*_options(installation)) as command:
            secret = await _secret(command)
            await first.aclose()
            told = await _line(command, "stderr")
            assert told in (
                "The daemon is stopping: open another stream when it is back.\n",
                "Connection lost, trying again.\n",
            )
            async with operated(installation) as again:
                assert await _secret(command) == secret
                await again.daemon.logged("webhook_deleted")  # the one of the stream before
                assert len(await again.list_all("/v1/webhooks")) == 1
                await again.submit(3)
                assert json.loads(await _line(command))["signature"] == "valid"
                await again.until_nothing_is_pending()
                assert [one["status"] for one in await again.deliveries()] == ["succeeded"]
                assert await _interrupted(command) == 0


@ends_within(40)
async def test_a_command_that_is_killed_in_the_middle_fails_its_attempt_and_leaves_nothing(
    installation: Installation,
) -> None:
    came = trio.Event()

    async def never(_exchange: object) -> None:
        came.set()
        await trio.sleep_forever()

    async with open_receiver(never) as receiver, operated(installation) as operator:
        await operator.make_team()
        with running_command(*_options(installation), "--forward-to", receiver.url) as command:
            await _secret(command)
            await operator.submit(1, 2)
            await came.wait()
            command.send_signal(signal.SIGKILL)
        await operator.daemon.logged("webhook_deleted")
        first, second = await operator.deliveries()
        assert await operator.list_all("/v1/webhooks") == []
    assert first["lastAttempt"]["error"] == "the live listener went away before it answered"
    assert [one["cancelReason"] for one in (first, second)] == ["webhook_deleted"] * 2
    assert [one["attemptsMade"] for one in (first, second)] == [1, 0]
