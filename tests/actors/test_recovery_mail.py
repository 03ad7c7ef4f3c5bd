"""The mail about a webhook that works again (contract "Auto-disable")."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.mails import MailKind
from daemon.domain.model import Team, Webhook
from tests.actors.receivers import A
from tests.support.daemon import FakeReceiver, RunningDaemon, make_settings, running, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

impatient = pytest.mark.settings(delivery={"retry_delays_s": ()})


def kinds(daemon: RunningDaemon) -> list[MailKind]:
    return [mail.kind for mail in daemon.mails]


@impatient
async def test_the_first_success_after_a_disabling_is_told_once(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500, 500, 500, 500, 500, 200)
    await daemon.submit(team, *range(4))
    await trio.sleep(60)
    disabled_at = (await daemon.current(webhook)).disabled_at
    await daemon.change(webhook, active=True)
    await trio.sleep(60)
    assert kinds(daemon) == [MailKind.DISABLED]
    await daemon.submit(team, *range(4, 9))
    await trio.sleep(60)
    assert kinds(daemon) == [MailKind.DISABLED, MailKind.RECOVERED]
    told = daemon.mails[1]
    assert (told.disabled_at, told.recipients, told.webhook_url) == (disabled_at, team.notification_emails, A)
    await daemon.submit(team, *range(9, 12))
    await trio.sleep(3600)
    assert len(daemon.mails) == 2


@impatient
async def test_a_webhook_that_was_disabled_by_hand_recovers_in_silence(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, active=False)
    await daemon.change(webhook, active=True)
    await daemon.submit(team, 1, 2)
    await trio.sleep(3600)
    assert await daemon.statuses(webhook) == ["succeeded"] * 2
    assert daemon.mails == []


async def test_a_recovery_survives_a_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver, settings = (
        FakeReceiver({A: statuses(*[500] * 4, 200)}),
        make_settings(tmp_path, delivery={"retry_delays_s": ()}),
    )
    async with running(tmp_path, receiver, settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, *range(4))
        await trio.sleep(60)
        await daemon.change(webhook, active=True)
    async with running(tmp_path, receiver, daemon.clock, settings) as daemon:
        await daemon.submit(team, 5, 6)
        await trio.sleep(60)
        assert kinds(daemon) == [MailKind.RECOVERED]
