"""Webhooks resume by themselves, also when a resume takes its time (contract "Pause"): the actor in virtual time."""

from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.errors import StoreUnavailable
from daemon.domain.model import Team, Webhook
from daemon.management.webhooks import Webhooks
from tests.actors.receivers import A, B
from tests.support.daemon import RunningDaemon

pytestmark = pytest.mark.usefixtures("each_engine")


@dataclass
class SlowResumes:
    """Each resume takes `takes_s`, and fails `failures` times before one succeeds; `began` says when each began."""

    takes_s: float = 20
    failures: int = 0
    began: list[float] = field(default_factory=list)


@pytest.fixture
def slow_resumes(monkeypatch: pytest.MonkeyPatch) -> SlowResumes:
    slow, resume_when_due = SlowResumes(), Webhooks.resume_when_due

    async def resume_slowly(self: Webhooks, webhook_id: str) -> None:
        slow.began.append(trio.current_time())
        await trio.sleep(slow.takes_s)
        if len(slow.began) <= slow.failures:
            raise StoreUnavailable("the webhook could not be changed in time: try again in a moment")
        await resume_when_due(self, webhook_id)

    monkeypatch.setattr(Webhooks, "resume_when_due", resume_slowly)
    return slow


async def pause(daemon: RunningDaemon, webhook: Webhook, for_s: float) -> None:
    await daemon.change(webhook, paused=True, resumes_at=daemon.clock() + round(for_s * 1000))


async def test_a_resume_that_takes_long_and_fails_is_tried_again_5_s_after_its_end(
    slow_resumes: SlowResumes, daemon: RunningDaemon, webhook: Webhook, autojump_clock: MockClock
) -> None:
    slow_resumes.failures = 2
    await pause(daemon, webhook, for_s=10)
    due_at = trio.current_time() + 10
    await trio.sleep(120)
    assert [began - due_at for began in slow_resumes.began] == [0, 25, 50]
    assert (await daemon.current(webhook)).paused_at is None
    assert daemon.log_lines("actor_restarted") == []


async def test_what_becomes_due_while_another_one_is_resumed_is_resumed_right_after_it(
    slow_resumes: SlowResumes, daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    other = await daemon.webhook(team, B)
    await pause(daemon, webhook, for_s=10)
    await pause(daemon, other, for_s=15)
    due_at = trio.current_time() + 10
    await trio.sleep(60)
    assert [began - due_at for began in slow_resumes.began] == [0, 20]
    await daemon.submit(team, 1)
    await trio.sleep(1)
    assert {arrival.url for arrival in daemon.receiver.arrivals} == {A, B}
    assert daemon.log_lines("actor_restarted") == []
