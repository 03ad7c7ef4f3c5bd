"""Mails that wait for their server keep their link (contract "Auto-disable")."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.clock import DAY_MS
from daemon.domain.mails import Mail
from daemon.mail.result import SendResult
from daemon.store.reads import api_reads
from tests.actors.receivers import A
from tests.support.daemon import FakeReceiver, RunningDaemon, make_settings, running, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

SETTINGS = {"console": {"mail_link_days": 3}, "delivery": {"retry_delays_s": ()}}


async def links(daemon: RunningDaemon, team_id: str) -> int:
    return len((await daemon.parts.store.reader.fetch(api_reads.list_portal_links, team_id, 200)).items)


async def test_each_attempt_of_a_day_to_send_a_mail_has_the_same_link_also_after_a_restart(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    attempts = list[Mail]()

    async def defer(mail: Mail) -> SendResult:
        await trio.lowlevel.checkpoint()
        attempts.append(mail)
        return SendResult(deferred=mail.recipients, error="later")

    for life in (1, 2):
        async with running(
            tmp_path,
            FakeReceiver({A: statuses(500)}),
            settings=make_settings(tmp_path, **SETTINGS),
            adapt=lambda seams: replace(seams, send_mail=defer),
        ) as daemon:
            if life == 1:
                team = await daemon.team()
                await daemon.webhook(team, A)
                await daemon.submit(team, *range(4))
            await trio.sleep(60)
            assert await links(daemon, team.id) == 1
            if life == 2:
                daemon.clock.offset_ms += DAY_MS
                await trio.sleep(60)
                assert await links(daemon, team.id) == 2
    assert len(attempts) > 4
    assert len({mail.link for mail in attempts}) == 2
