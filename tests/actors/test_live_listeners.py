"""Deliveries of a live listener go to its stream, and its answer is the outcome (contract "Live listeners").

Through the real actors, in virtual time. `Client` is the other end of a stream: it takes requests and answers them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import trio
from standardwebhooks.webhooks import Webhook as StandardWebhook
from trio.testing import MockClock

from daemon.domain.errors import AttemptOver
from daemon.domain.live_answers import LiveAnswer
from daemon.domain.model import OutcomeKind, Team, Webhook
from daemon.egress.post import parsed_fields
from daemon.live.listener import EndReason, LiveRequest
from daemon.management.listeners import Listening
from daemon.store.reads import actor_reads
from tests.actors.disk import disk_of
from tests.support.daemon import FakeReceiver, RunningDaemon, running, skip_ahead

pytestmark = pytest.mark.usefixtures("each_engine")


@dataclass
class Client:
    """Takes one request after the other, and answers each with the next of `statuses` after `takes_s` (None: never)."""

    daemon: RunningDaemon
    listening: Listening
    statuses: list[int | None] = field(default_factory=lambda: [200])
    takes_s: float = 0
    taken: list[tuple[float, int, int]] = field(default_factory=list)
    began: float = field(default_factory=trio.current_time)

    @property
    def webhook(self) -> Webhook:
        return self.listening.webhook

    async def run(self) -> None:
        while (request := await self.listening.listener.next()) is not None:
            await self._answer(request)

    async def _answer(self, request: LiveRequest) -> None:
        at = trio.current_time() - self.began
        self.taken.append((round(at, 1), orjson.loads(request.post.body)["data"]["n"], attempt_of(request)))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        await trio.sleep(self.takes_s)
        if status is not None:
            await answer(self.daemon, self.listening, request, status=status)


async def answer(
    daemon: RunningDaemon, listening: Listening, request: LiveRequest, *, status: int = 200, body: bytes = b"ok"
) -> None:
    headers = ((b"content-type", b"text/plain"),)
    await daemon.parts.live_listeners.answer(
        listening.webhook.id, LiveAnswer(request.attempt_id, status, headers=headers, body=body)
    )


def attempt_of(request: LiveRequest) -> int:
    return int(dict(parsed_fields(request.post.fields))["X-Kakiyo-Attempt"])


@asynccontextmanager
async def listening_to(daemon: RunningDaemon, team: Team, *events: str) -> AsyncIterator[Listening]:
    async with daemon.parts.live_listeners.listen(team.id, events or ("*",)) as listening:
        yield listening


@pytest.fixture
async def listening(daemon: RunningDaemon, team: Team) -> AsyncIterator[Listening]:
    async with listening_to(daemon, team) as listening:
        yield listening


async def live_webhooks(daemon: RunningDaemon) -> list[str]:
    found, _ = await daemon.parts.store.reader.fetch(actor_reads.live_webhooks, "", 100)
    return found


# -- the outcome is the client's answer


async def test_the_answer_of_the_stream_is_the_outcome_of_the_attempt(
    daemon: RunningDaemon, team: Team, listening: Listening, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    request = await listening.listener.next()
    assert request is not None
    await trio.sleep(0.25)
    await answer(daemon, listening, request, status=201, body=b"x" * 10_000)
    await trio.sleep(1)
    (delivery,) = await daemon.deliveries(listening.webhook)
    (attempt,) = await daemon.attempts(delivery)
    assert (delivery.status, attempt.outcome.kind) == ("succeeded", OutcomeKind.DELIVERED)
    assert (attempt.outcome.status, attempt.outcome.duration_ms) == (201, 250)
    assert attempt.outcome.headers == (("content-type", "text/plain"),)
    assert attempt.outcome.body == b"x" * 4096


async def test_a_request_is_signed_with_the_secret_that_the_stream_was_told(
    daemon: RunningDaemon, team: Team, listening: Listening, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    request = await listening.listener.next()
    assert request is not None
    headers = dict(parsed_fields(request.post.fields))
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    signature = StandardWebhook(listening.secret).sign(headers["webhook-id"], at, request.post.body.decode())
    assert headers["webhook-signature"] == signature


async def test_failures_are_retried_in_order_while_what_comes_next_waits_and_never_disable_or_mail(
    daemon: RunningDaemon, team: Team, listening: Listening, autojump_clock: MockClock
) -> None:
    client = Client(daemon, listening, statuses=[500, 500, 200, 500])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.run)
        await daemon.submit(team, 1, 2, 3, 4, 5, 6)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    first, others = client.taken[:3], client.taken[3:]
    assert [(number, attempt) for _, number, attempt in first] == [(1, 1), (1, 2), (1, 3)]
    assert [at - first[0][0] for at, _, _ in first] == [0, 1, 3]
    assert [(number, attempt) for _, number, attempt in others] == [(n, a) for n in range(2, 7) for a in range(1, 5)]
    assert await daemon.statuses(listening.webhook) == ["succeeded", *["failed"] * 5]
    current = await daemon.current(listening.webhook)
    assert (current.active, current.consecutive_failures) == (True, 5)
    assert daemon.mails == []


async def test_no_answer_within_the_time_is_a_timeout_and_comes_too_late_then(
    daemon: RunningDaemon, team: Team, listening: Listening, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    request = await listening.listener.next()
    assert request is not None
    await trio.sleep(10.5)
    with pytest.raises(AttemptOver):
        await answer(daemon, listening, request)
    (delivery,) = await daemon.deliveries(listening.webhook)
    (attempt,) = await daemon.attempts(delivery)
    assert attempt.outcome.kind is OutcomeKind.TIMEOUT
    assert attempt.outcome.error == ("no response within 10 s (stopped while waiting for the live listener's answer)")


async def test_an_attempt_is_answered_once_and_by_its_own_id(
    daemon: RunningDaemon, team: Team, listening: Listening, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    request = await listening.listener.next()
    assert request is not None
    stranger = LiveRequest("att_other", request.post, request.deadline)
    with pytest.raises(AttemptOver):
        await answer(daemon, listening, stranger)
    await answer(daemon, listening, request)
    with pytest.raises(AttemptOver):
        await answer(daemon, listening, request, status=500)
    await trio.sleep(1)
    assert await daemon.statuses(listening.webhook) == ["succeeded"]


async def test_a_stream_that_does_not_come_back_keeps_the_next_attempt_waiting_in_no_memory(
    daemon: RunningDaemon, team: Team, listening: Listening, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(200))
    request = await listening.listener.next()
    assert request is not None
    await answer(daemon, listening, request)
    await trio.sleep(3600)  # it still writes what it took
    assert (await daemon.statuses(listening.webhook))[:3] == ["succeeded", "pending", "pending"]
    (_, second, *_) = await daemon.deliveries(listening.webhook)
    assert (second.attempts_made, await daemon.attempts(second)) == (0, [])
    again = await listening.listener.next()
    assert again is not None
    assert orjson.loads(again.post.body)["data"]["n"] == 1


# -- what it costs


@pytest.mark.settings(credits={"enforce": True})
async def test_live_deliveries_cost_nothing_and_wait_for_no_credits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, listening: Listening, autojump_clock: MockClock
) -> None:
    client = Client(daemon, listening)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.run)
        await daemon.submit(team, 1)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert await daemon.statuses(listening.webhook) == ["succeeded"]
    assert await daemon.statuses(webhook) == ["pending"]
    assert (await daemon.ledger(team), await daemon.balance(team)) == ([], 0)


@pytest.mark.settings(api={"webhooks_per_team": 1})
async def test_live_listeners_take_no_place_of_a_webhook(
    daemon: RunningDaemon, team: Team, listening: Listening, autojump_clock: MockClock
) -> None:
    assert (await daemon.webhook(team, "https://a.example/")).active
    async with listening_to(daemon, team) as another:
        assert another.webhook.live


# -- the webhook ends with its stream


@pytest.mark.fault(
    "a live listener vanishes in the middle of an attempt",
    "the attempt fails, its webhook is deleted, and what was pending is cancelled",
)
async def test_a_client_that_vanishes_in_the_middle_fails_its_attempt_and_its_webhook_is_deleted(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    async with listening_to(daemon, team) as listening:
        await daemon.submit(team, 1, 2)
        assert await listening.listener.next() is not None
    await trio.sleep(0.1)
    assert await live_webhooks(daemon) == []
    assert daemon.parts.live_listeners.count == 0
    first, second = await daemon.deliveries(listening.webhook)
    (attempt,) = await daemon.attempts(first)
    assert attempt.outcome.error == "the live listener went away before it answered"
    assert [first.cancel_reason, second.cancel_reason] == ["webhook_deleted"] * 2
    await daemon.submit(team, 3)
    assert len(await daemon.deliveries(listening.webhook)) == 2
    (ended,) = daemon.log_lines("listener_ended")
    assert ended["reason"] == "client_left"


async def test_deleting_the_webhook_ends_the_stream(
    daemon: RunningDaemon, listening: Listening, autojump_clock: MockClock
) -> None:
    assert await daemon.parts.webhooks.delete(listening.webhook.id)
    assert await listening.listener.next() is None
    assert listening.listener.end_reason is EndReason.WEBHOOK_DELETED


async def test_a_stop_ends_the_stream_at_once_and_the_next_start_deletes_what_is_left(
    tmp_path: Path, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, receiver) as first:
        team = await first.team()
        async with listening_to(first, team) as listening:
            await first.submit(team, 1, 2)
            assert await listening.listener.next() is not None
            began = trio.current_time()
            first.stop.set()
            with trio.fail_after(5):
                assert await listening.listener.next() is None
            assert listening.listener.end_reason is EndReason.STOPPING
            await first.stopped.wait()
        assert trio.current_time() - began < 1
    async with running(tmp_path, receiver) as second:
        await trio.sleep(1)
        assert await live_webhooks(second) == []
        reasons = [(one.cancel_reason, one.attempts_made) for one in await second.deliveries(listening.webhook)]
        assert reasons == [("webhook_deleted", 0)] * 2  # an attempt that the stop cut short does not count


@pytest.mark.fault(
    "the daemon is killed while somebody listens live",
    "the next start deletes the listener's webhook and cancels what was pending; other webhooks are not affected",
)
async def test_after_a_kill_the_next_start_deletes_the_webhook_of_the_stream(
    tmp_path: Path, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    killed: list[Webhook] = []
    async with running(tmp_path, receiver) as first:
        team = await first.team()
        other = await first.webhook(team, "https://a.example/")
        async with listening_to(first, team) as listening:
            killed.append(listening.webhook)
            await first.submit(team, 1, 2)
            assert await listening.listener.next() is not None
        # killed: leaving the block gives nobody the time to delete anything
    async with running(tmp_path, receiver) as second:
        await second.submit(team, 3)
        await skip_ahead(3600)
        assert await live_webhooks(second) == []
        assert set(await second.statuses(killed[0])) == {"cancelled"}
        assert await second.statuses(other) == ["succeeded"] * 3


async def test_a_deletion_that_fails_is_tried_again(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    disk = disk_of(daemon)
    async with listening_to(daemon, team):
        disk.full = True
    await trio.sleep(60)
    assert len(await live_webhooks(daemon)) == 1
    disk.full = False
    await trio.sleep(60)
    assert await live_webhooks(daemon) == []
