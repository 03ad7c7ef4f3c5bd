"""The mails about low and used up credits (contract "Credits")."""

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.mails import MailKind
from daemon.domain.model import Team, TeamEdit, Webhook
from tests.support.daemon import RunningDaemon

pytestmark = pytest.mark.usefixtures("each_engine")


@pytest.mark.settings(credits={"enforce": True, "per_delivery": 2})
async def test_a_team_is_told_of_low_and_of_used_up_credits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.parts.teams.change(team.id, TeamEdit(low_credits=6))
    await daemon.parts.teams.grant_credits(team.id, 9, None)
    await daemon.submit(team, *range(8))
    await trio.sleep(3600)
    assert {mail.kind for mail in daemon.mails} == {MailKind.CREDITS_LOW, MailKind.CREDITS_EXHAUSTED}
    assert len(daemon.mails) == 2
    assert (await daemon.statuses(webhook)).count("succeeded") == 4
    await daemon.parts.teams.grant_credits(team.id, 100, None)
    await trio.sleep(3600)
    assert len(daemon.mails) == 2


@pytest.mark.settings(credits={"enforce": True, "per_delivery": 2})
async def test_it_is_told_at_once_and_logged(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.grant(team, 4)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    [line] = daemon.log_lines("mail_queued")
    assert (line["teamId"], line["mailId"]) == (team.id, daemon.mails[0].id)


@pytest.mark.settings(credits={"enforce": True, "per_delivery": 2})
async def test_a_correction_that_takes_the_last_credits_is_told_at_once_and_logged(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    await daemon.grant(team, 10)
    await trio.sleep(10)
    await daemon.grant(team, -9)
    await trio.sleep(1)
    [mail] = daemon.mails
    assert (mail.kind, mail.balance) == (MailKind.CREDITS_EXHAUSTED, 1)
    [line] = daemon.log_lines("mail_queued")
    assert (line["teamId"], line["mailId"]) == (team.id, mail.id)


async def test_where_credits_are_only_counted_nobody_is_told_that_they_are_used_up(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    await daemon.grant(team, 10)
    await daemon.grant(team, -10)
    await trio.sleep(3600)
    assert daemon.mails == []
