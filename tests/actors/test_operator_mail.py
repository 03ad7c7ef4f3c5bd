"""The operator's copy of the mail about a disabled webhook (contract "Auto-disable")."""

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.mails import MailKind
from daemon.domain.model import Team, Webhook
from tests.actors.receivers import A
from tests.support.daemon import RunningDaemon, statuses

pytestmark = pytest.mark.usefixtures("each_engine")


@pytest.mark.settings(delivery={"retry_delays_s": ()}, smtp={"operator_address": "root@example.com"})
async def test_the_operator_gets_one_copy_which_is_retried_by_itself(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.submit(team, *range(6))
    await trio.sleep(3600)
    told = {mail.kind: mail.recipients for mail in daemon.mails}
    assert told == {MailKind.DISABLED: team.notification_emails, MailKind.DISABLED_FOR_OPERATOR: ("root@example.com",)}
    assert {mail.team_name for mail in daemon.mails} == {team.name}
    assert len(daemon.mails) == len(daemon.log_lines("mail_queued")) == len(daemon.log_lines("mail_sent")) == 2
