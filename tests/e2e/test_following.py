"""`deliveries tail` beside a daemon that is started again (contract "Command line")."""

import signal
from contextlib import AsyncExitStack
from functools import partial

import trio

from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.forked_command import ForkedCommand, running_command
from tests.support.process import Installation
from tests.support.receivers import open_receiver


async def _line(command: ForkedCommand, of: str = "stdout") -> str:
    return str(await trio.to_thread.run_sync(getattr(command, of).readline, abandon_on_cancel=True))


@ends_within(40)
async def test_following_deliveries_survives_a_restart_of_the_daemon(installation: Installation) -> None:
    options = ["--team", "acme", "--api-url", installation.url, "--state-dir", str(installation.state_dir)]
    async with open_receiver() as receiver, AsyncExitStack() as first:
        operator = await first.enter_async_context(operated(installation))
        await operator.make_team()
        await operator.make_webhook(receiver.url)
        await operator.submit(1)
        await operator.until_nothing_is_pending()
        with running_command("deliveries", "tail", *options) as tail:
            assert "succeeded  200 · " in await _line(tail)
            await operator.submit(2)
            assert "succeeded" in await _line(tail)
            await first.aclose()
            assert await _line(tail, "stderr") == "Connection lost, trying again.\n"
            async with operated(installation) as again:
                assert await _line(tail, "stderr") == "Connected again.\n"
                await again.submit(3)
                assert "succeeded" in await _line(tail)
                tail.send_signal(signal.SIGINT)
                assert await trio.to_thread.run_sync(partial(tail.wait, 10)) == 0
