"""The metrics of a daemon at work are right."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from trio.testing import MockClock

from daemon.domain.errors import StoreUnavailable
from daemon.domain.model import DeliveryStatus, Team, Webhook
from daemon.egress.addresses import Address
from daemon.egress.lookups import Lookups
from daemon.maintenance import gauges
from daemon.maintenance.gauges import FRESH_S, LONGEST_WAIT_S
from tests.actors.receivers import A, B, hang
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, running, statuses


def value(daemon: RunningDaemon, name: str, **labels: str) -> float | None:
    return daemon.parts.telemetry.metrics.registry.get_sample_value(f"kakiyo_webhooks_{name}", labels)


def counted(daemon: RunningDaemon) -> dict[str, float | None]:
    """Return `deliveries_total` by status."""
    return {status.value: value(daemon, "deliveries_total", status=status.value) for status in DeliveryStatus}


def broken_read(_connection: Connection, _place: object) -> None:
    raise OperationalError("SELECT", (), Exception("disk I/O error"))


def broken_disk(_database: Path) -> None:
    raise OSError(errno.EIO, "Input/output error")


# -- lookups


async def test_lookups_of_deliveries_and_registrations_are_counted_together(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    lookups = Lookups(DeadZone(), 3), Lookups(DeadZone(), 1)

    async def look_up(places: Lookups, name: str) -> None:
        lookup = await places.admit(name, "acme")
        try:
            await lookup.resolve(name, 443)
        finally:
            lookup.release()

    async with (
        running(tmp_path, adapt=lambda seams: replace(seams, lookups=lookups)) as daemon,
        trio.open_nursery() as asking,
    ):
        assert (value(daemon, "lookups_in_progress"), value(daemon, "lookups_waiting")) == (0, 0)
        for number in range(5):
            asking.start_soon(look_up, lookups[0], f"{number}.dead")
        for number in range(2):
            asking.start_soon(look_up, lookups[1], f"{number}.dead")
        await trio.sleep(1)
        asked = sum(places.in_progress for places in lookups)
        assert value(daemon, "lookups_in_progress") == asked > 0
        assert value(daemon, "lookups_waiting") == 7 - asked > 0
        asking.cancel_scope.cancel()
    assert (value(daemon, "lookups_in_progress"), value(daemon, "lookups_waiting")) == (0, 0)


class DeadZone:
    """A resolver that never gets an answer."""

    async def known_addresses(self, _host: str) -> Sequence[Address] | None:
        await trio.lowlevel.checkpoint()
        return None

    async def ask(self, _host: str) -> Sequence[Address]:
        await trio.sleep_forever()
        raise AssertionError


# -- deliveries


async def test_deliveries_created_minus_deliveries_ended_are_the_backlog(
    daemon: RunningDaemon, team: Team, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(*[500] * 16, 200)
    first, second = await daemon.webhook(team, A), await daemon.webhook(team, B)
    await daemon.submit(team, *range(7))
    await trio.sleep(60)
    assert counted(daemon) == {"pending": 14, "succeeded": 7, "failed": 4, "cancelled": 3}
    await daemon.change(first, active=True)
    assert await daemon.parts.replays.recover(first.id, 0) == 7
    (resent, *_) = await daemon.deliveries(second)
    await daemon.parts.replays.resend(resent.id)
    await trio.sleep(60)
    assert counted(daemon) == {"pending": 22, "succeeded": 15, "failed": 4, "cancelled": 3}
    receiver.answers[B] = hang
    await daemon.submit(team, 8, 9)
    await trio.sleep(1)
    await daemon.parts.gauges.refresh()
    assert value(daemon, "pending_deliveries") == 2
    assert counted(daemon) == {"pending": 26, "succeeded": 17, "failed": 4, "cancelled": 3}
    await daemon.parts.webhooks.delete(second.id)
    await trio.sleep(60)
    assert counted(daemon) == {"pending": 26, "succeeded": 17, "failed": 4, "cancelled": 5}


async def test_a_recovery_that_fails_in_the_middle_has_counted_what_it_queued(
    daemon: RunningDaemon, team: Team, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(375))
    late = await daemon.webhook(team, A)
    await trio.sleep(60)  # upkeep has nothing more to write
    run_write.answer_s = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.parts.replays.recover, late.id, 0)
        await trio.sleep(2.5)  # in the commit of its second page, after that of who asked
        nursery.cancel_scope.cancel()
    assert value(daemon, "deliveries_total", status="pending") == 250
    await trio.sleep(60)
    assert len(await daemon.deliveries(late)) == 375
    assert value(daemon, "deliveries_total", status="pending") == 375


async def test_the_first_attempt_of_each_delivery_is_timed_from_its_creation(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500, 200)
    await daemon.submit(team, 1, 2)  # the second waits for the retry of the first
    await trio.sleep(5)
    assert first_attempts(daemon) == (2, 1)
    (first, _) = await daemon.deliveries(webhook)
    await daemon.parts.replays.resend(first.id)
    await trio.sleep(5)
    assert first_attempts(daemon) == (3, 1)


async def test_the_first_attempt_after_a_restart_is_timed_from_the_deliverys_creation_too(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({A: hang})) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        clock = daemon.clock
    await trio.sleep(30)
    async with running(tmp_path, clock=clock) as daemon:
        await trio.sleep(1)
        assert first_attempts(daemon) == (1, 30)


async def test_a_wall_clock_that_was_set_back_makes_no_negative_delay(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500, 200)
    await daemon.submit(team, 1, 2)
    daemon.clock.offset_ms = -3_600_000
    await trio.sleep(10)
    assert first_attempts(daemon) == (2, 0)


def first_attempts(daemon: RunningDaemon) -> tuple[float | None, int]:
    """Return how many there were, and their delays together, in whole seconds."""
    seconds = value(daemon, "first_attempt_delay_seconds_sum")
    return value(daemon, "first_attempt_delay_seconds_count"), round(seconds or 0)


# -- credits


async def test_credits_are_counted_as_they_are_charged(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500, 200)
    await daemon.submit(team, 1, 2)
    await trio.sleep(10)
    assert value(daemon, "credits_consumed_total") == 4 == -await daemon.balance(team)


@pytest.mark.settings(credits={"enforce": True})
async def test_a_team_waits_for_credits_until_it_gets_them(daemon: RunningDaemon, autojump_clock: MockClock) -> None:
    poor, rich = await daemon.team(), await daemon.team()
    await daemon.grant(rich, 100)
    for url, team in ((A, poor), (B, poor), (A, rich)):
        await daemon.webhook(team, url)
    await daemon.submit(poor, 1, 2)
    await daemon.submit(rich, 3)
    await trio.sleep(1)
    assert value(daemon, "teams_waiting_for_credits") == 1
    await daemon.grant(poor, 8)
    await trio.sleep(1)
    assert value(daemon, "teams_waiting_for_credits") == 0


# -- what is looked at


async def test_before_the_first_scrape_the_backlog_is_unknown(daemon: RunningDaemon, autojump_clock: MockClock) -> None:
    await trio.sleep(3_600)
    assert str(value(daemon, "pending_deliveries")) == "nan"


async def test_the_gauges_of_backlog_outbox_and_disk_are_right(
    daemon: RunningDaemon, team: Team, webhook: Webhook, tmp_path: Path, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = hang
    await daemon.submit(team, 1, 2)
    await trio.sleep(7)
    await daemon.parts.gauges.refresh()
    assert value(daemon, "pending_deliveries") == 2
    assert value(daemon, "oldest_pending_delivery_age_seconds") == 7
    assert value(daemon, "waiting_mails") == value(daemon, "oldest_waiting_mail_age_seconds") == 0
    assert value(daemon, "database_bytes") == (tmp_path / "test.db").stat().st_size
    assert value(daemon, "database_wal_bytes") == (tmp_path / "test.db-wal").stat().st_size > 0
    free, size = value(daemon, "state_dir_free_bytes"), value(daemon, "state_dir_size_bytes")
    assert 0 < (free or 0) < (size or 0)


async def test_the_gauges_are_not_read_again_within_some_seconds(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = hang
    await daemon.parts.gauges.refresh()
    await daemon.submit(team, 1)
    await daemon.parts.gauges.refresh()
    assert value(daemon, "pending_deliveries") == 0
    await trio.sleep(FRESH_S)
    await daemon.parts.gauges.refresh()
    assert value(daemon, "pending_deliveries") == 1


async def test_a_slow_store_keeps_nobody_waiting_and_is_asked_less_often(
    daemon: RunningDaemon, run_read: FakeThread, autojump_clock: MockClock
) -> None:
    await daemon.parts.gauges.refresh()
    await trio.sleep(FRESH_S)
    run_read.answer_s, started = 4, daemon.now
    await daemon.parts.gauges.refresh()
    assert daemon.now - started == LONGEST_WAIT_S
    await trio.sleep(60)
    run_read.answer_s, started = 0, daemon.now
    await daemon.parts.gauges.refresh()
    assert daemon.now == started  # that took several reads of 4 s: its values stay good for long
    assert value(daemon, "pending_deliveries") == 0


async def test_while_the_store_fails_the_last_values_stay_and_ages_go_on(
    daemon: RunningDaemon, team: Team, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = hang
    await daemon.submit(team, 1)
    await trio.sleep(1)
    await daemon.parts.gauges.refresh()
    monkeypatch.setattr(gauges, "count_mails", broken_read)
    await trio.sleep(FRESH_S)
    await daemon.parts.gauges.refresh()
    assert value(daemon, "pending_deliveries") == 1
    assert value(daemon, "oldest_pending_delivery_age_seconds") == 1 + FRESH_S
    assert not daemon.log_lines("actor_restarted")


async def test_a_scrape_before_the_refresher_runs_is_answered_too(
    daemon: RunningDaemon, autojump_clock: MockClock
) -> None:
    started = daemon.now
    await daemon.parts.gauges.refresh()  # nothing has run yet: its task has not begun
    assert daemon.now == started
    assert value(daemon, "pending_deliveries") == 0


async def test_a_disk_that_cannot_be_examined_hides_no_backlog(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr("daemon.store.sqlite.database.disk_use", broken_disk)
    await daemon.parts.gauges.refresh()
    assert value(daemon, "pending_deliveries") == 0
    assert str(value(daemon, "state_dir_free_bytes")) == "nan"
    assert not daemon.log_lines("actor_restarted")


async def test_a_failed_commit_is_counted(daemon: RunningDaemon, team: Team, autojump_clock: MockClock) -> None:
    assert value(daemon, "commits_failed_total") == 0
    daemon.database.writer.exec_driver_sql("PRAGMA query_only = ON")
    daemon.database.writer.rollback()
    with pytest.raises(StoreUnavailable):
        await daemon.submit(team, 1)
    assert value(daemon, "commits_failed_total") == 1
