"""Large submissions: accepted at once, delivered in order, piece by piece (contract "Budgets of a team")."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.errors import Overloaded, SubmissionTooLarge, TooManyWebhooks
from daemon.domain.model import DeliveryStatus, Team, TeamEdit, Webhook
from daemon.maintenance.gauges import pending_deliveries
from tests.actors.disk import disk_of
from tests.actors.fan_outs import EVENTS, PIECE, WEBHOOKS, count, numbers_at, url, webhooks_of
from tests.actors.receivers import hang
from tests.actors.submissions import submission
from tests.faults.sabotage import Point, Saboteur
from tests.support.daemon import (
    EPOCH_MS,
    FakeReceiver,
    FakeThread,
    RunningDaemon,
    VirtualWallClock,
    running,
)

ROUNDS = 15
pytestmark = pytest.mark.usefixtures("each_engine", "small_pieces")


async def test_a_large_submission_is_delivered_whole_and_in_order_and_its_receipts_count_all(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], autojump_clock: MockClock
) -> None:
    receipts = await daemon.parts.router.submit(submission(team, *range(EVENTS)))
    assert [receipt.deliveries for receipt in receipts] == [WEBHOOKS] * EVENTS
    await trio.sleep(60)
    assert all(numbers_at(daemon, number) == list(range(EVENTS)) for number in range(WEBHOOKS))
    assert await daemon.statuses(webhooks[0]) == ["succeeded"] * EVENTS
    assert count(daemon, "SELECT count(*) FROM fan_outs") == 0
    [line] = daemon.log_lines("deliveries_created")
    assert line["count"] == WEBHOOKS * EVENTS
    assert [line["deliveries"] for line in daemon.log_lines("event_accepted")] == [WEBHOOKS] * EVENTS


async def test_what_a_team_submits_later_waits_behind_a_large_submission_but_another_team_does_not(
    daemon: RunningDaemon, slow_pieces: None, autojump_clock: MockClock
) -> None:
    team, neighbour = await daemon.team(), await daemon.team()
    await webhooks_of(daemon, team)
    await daemon.webhook(neighbour, "https://neighbour.example/hook")
    await daemon.submit(team, *range(EVENTS))
    before = daemon.now
    await daemon.submit(team, 100)
    await daemon.submit(neighbour, 200)
    assert daemon.now == before
    await trio.sleep(0.5)
    assert [arrival.number for arrival in daemon.receiver.at("https://neighbour.example/hook")] == [200]
    assert 100 not in numbers_at(daemon, 0)
    await trio.sleep(60)
    assert all(numbers_at(daemon, number) == [*range(EVENTS), 100] for number in range(WEBHOOKS))


async def test_a_fan_out_goes_on_after_a_restart_before_what_is_submitted_then(
    tmp_path: Path, autojump_clock: MockClock, slow_pieces: None
) -> None:
    clock, receiver = VirtualWallClock(), FakeReceiver()
    async with running(tmp_path, receiver, clock) as daemon:
        team = await daemon.team()
        await webhooks_of(daemon, team)
        await daemon.submit(team, *range(EVENTS))
        await trio.sleep(1.5)
    async with running(tmp_path, receiver, clock) as daemon:
        assert 0 < count(daemon, "SELECT count(*) FROM deliveries") < WEBHOOKS * EVENTS
        await daemon.submit(team, 100)
        await trio.sleep(60)
        assert all(numbers_at(daemon, number) == [*range(EVENTS), 100] for number in range(WEBHOOKS))


@pytest.mark.parametrize("deleted", [False, True], ids=["disabled", "deleted"])
async def test_a_webhook_turned_off_during_a_fan_out_has_the_rest_cancelled_even_if_enabled_again(
    daemon: RunningDaemon,
    team: Team,
    webhooks: list[Webhook],
    slow_pieces: None,
    deleted: bool,
    autojump_clock: MockClock,
) -> None:
    await daemon.submit(team, *range(EVENTS))
    await trio.sleep(1.5)
    if deleted:
        await daemon.parts.webhooks.delete(webhooks[0].id)
    else:
        await daemon.change(webhooks[0], active=False)
        await daemon.change(webhooks[0], active=True)
    await daemon.submit(team, 100)
    await trio.sleep(60)
    made = await daemon.deliveries(webhooks[0])
    ended = [delivery.status.value for delivery in made]
    assert ended.count("succeeded") == len(daemon.receiver.at(url(0)))
    assert len(ended) == EVENTS + (not deleted)
    assert "cancelled" in ended
    reasons = {delivery.cancel_reason for delivery in made if delivery.cancel_reason}
    assert reasons == {"webhook_deleted" if deleted else "webhook_disabled"}
    assert (100 in numbers_at(daemon, 0)) != deleted
    assert all(numbers_at(daemon, number) == [*range(EVENTS), 100] for number in range(1, WEBHOOKS))
    assert count(daemon, "SELECT count(*) FROM fan_out_cancellations") == 0
    assert len(daemon.log_lines("delivery_cancelled")) == ended.count("cancelled")
    assert sum(line["count"] for line in daemon.log_lines("deliveries_cancelled")) == ended.count("cancelled")


async def test_a_recovery_waits_for_a_fan_out_and_queues_none_of_it_twice(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], slow_pieces: None, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(EVENTS))
    assert await daemon.parts.replays.recover(webhooks[0].id, 0) == 0
    await trio.sleep(60)
    assert numbers_at(daemon, 0) == list(range(EVENTS))


async def test_a_repeated_large_submission_gets_the_first_receipts_and_makes_no_more_deliveries(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], slow_pieces: None, autojump_clock: MockClock
) -> None:
    first = await daemon.parts.router.submit(submission(team, *range(EVENTS), key="k"))
    assert await daemon.parts.router.submit(submission(team, *range(EVENTS), key="k")) == first
    await trio.sleep(60)
    assert numbers_at(daemon, 0) == list(range(EVENTS))


async def test_deliveries_not_yet_created_count_as_pending_and_a_test_waits_for_its_own(
    daemon: RunningDaemon, team: Team, slow_pieces: None, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers.update({url(number): hang for number in range(WEBHOOKS)})
    await webhooks_of(daemon, team)
    await daemon.submit(team, *range(EVENTS))
    seen = await pending_deliveries(daemon.parts.store.reader)
    assert (seen.count, seen.oldest_at) == (WEBHOOKS * EVENTS, EPOCH_MS)
    assert daemon.parts.telemetry.metrics.deliveries[DeliveryStatus.PENDING]._value.get() == WEBHOOKS * EVENTS
    test = await daemon.submit_test(team)
    assert count(daemon, f"SELECT count(*) FROM deliveries WHERE event_id = '{test}'") == WEBHOOKS


@pytest.mark.settings(api={"max_waiting_deliveries": 2 * WEBHOOKS * EVENTS})
async def test_a_submission_that_makes_too_many_deliveries_is_refused_before_anything_is_done(
    daemon: RunningDaemon, slow_pieces: None, autojump_clock: MockClock
) -> None:
    team, neighbour = await daemon.team(), await daemon.team()
    for owner in (team, neighbour):
        await webhooks_of(daemon, owner)
    with pytest.raises(SubmissionTooLarge) as refused:
        await daemon.submit(team, *range(EVENTS + 1))
    assert (refused.value.amount, refused.value.limit) == (WEBHOOKS * (EVENTS + 1), WEBHOOKS * EVENTS)
    await daemon.submit(team, *range(EVENTS))
    with pytest.raises(Overloaded):
        await daemon.submit(team, 100)
    await daemon.submit(neighbour, *range(EVENTS // 2))  # the team leaves room for others
    await trio.sleep(60)
    await daemon.submit(team, *range(EVENTS))


@pytest.mark.settings(api={"webhooks_per_team": 3})
async def test_a_team_has_as_many_webhooks_as_its_quota_however_many_are_made_at_once(
    daemon: RunningDaemon, autojump_clock: MockClock
) -> None:
    team, made, refused = await daemon.team(), list[Webhook](), list[int]()

    async def make(number: int) -> None:
        try:
            made.append(await daemon.webhook(team, url(number)))
        except TooManyWebhooks as error:
            refused.append(error.limit)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(make, number)
    assert (len(made), refused) == (3, [3, 3])
    await daemon.parts.webhooks.delete(made[0].id)
    await daemon.webhook(team, url(5))
    await daemon.parts.teams.change(team.id, TeamEdit(max_webhooks=4))
    await daemon.webhook(team, url(6))
    await daemon.parts.teams.change(team.id, TeamEdit(default_max_webhooks=True))
    with pytest.raises(TooManyWebhooks):
        await daemon.webhook(team, url(7))


async def test_a_submission_committed_together_with_the_last_piece_is_delivered(
    daemon: RunningDaemon, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    run_write.answer_s = 0.1
    team, neighbour = await daemon.team(), await daemon.team()
    await webhooks_of(daemon, team)
    async with trio.open_nursery() as nursery:
        for round_ in range(ROUNDS):
            nursery.start_soon(daemon.submit, team, *range(round_ * EVENTS, (round_ + 1) * EVENTS))
            for step in range(105 + round_):
                nursery.start_soon(daemon.submit, neighbour, step)  # so that commands wait for the writer together
                await trio.sleep(0.01)
    await trio.sleep(60)
    assert all(numbers_at(daemon, number) == list(range(ROUNDS * EVENTS)) for number in range(WEBHOOKS))
    assert count(daemon, "SELECT count(*) FROM fan_outs") == 0
    assert daemon.parts.router.waiting_events == 0


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("piece", range(1, 6))
async def test_a_crash_of_the_router_around_a_piece_keeps_the_order_and_releases_waiting_callers(
    daemon: RunningDaemon,
    team: Team,
    webhooks: list[Webhook],
    monkeypatch: pytest.MonkeyPatch,
    piece: int,
    after: bool,
    autojump_clock: MockClock,
) -> None:
    saboteur = Saboteur(Point("MakeDeliveries", after, piece), lambda: None, armed=True)
    saboteur.enter(monkeypatch)
    await daemon.submit(team, 1000)  # their actors live, and take hints
    await daemon.submit(team, *range(EVENTS))
    with trio.fail_after(4):
        assert await daemon.parts.replays.recover(webhooks[0].id, 0) == 0
    assert saboteur.struck
    await trio.sleep(60)
    await daemon.submit(team, 100)
    await trio.sleep(60)
    assert all(numbers_at(daemon, number) == [1000, *range(EVENTS), 100] for number in range(WEBHOOKS))
    assert count(daemon, "SELECT count(*) FROM fan_outs") == 0


async def test_each_part_of_a_fan_out_keeps_the_reason_it_was_cancelled_for(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], slow_pieces: None, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(EVENTS))
    await daemon.change(webhooks[0], active=False)
    await daemon.change(webhooks[0], active=True)
    await daemon.submit(team, 100)
    await daemon.parts.webhooks.delete(webhooks[0].id)
    await trio.sleep(60)
    made = await daemon.deliveries(webhooks[0])
    assert [one.cancel_reason for one in made if one.cancel_reason] == [
        *["webhook_disabled"] * (EVENTS - len(numbers_at(daemon, 0))),
        "webhook_deleted",
    ]


async def test_the_log_names_each_delivery_from_the_acceptance_of_its_event_on(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], slow_pieces: None, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(EVENTS))
    await daemon.submit(team, 100)
    await daemon.change(webhooks[-1], active=False)
    await trio.sleep(60)
    accepted = {line["eventId"]: line["deliveryIds"] for line in daemon.log_lines("event_accepted")}
    ended = daemon.log_lines("delivery_succeeded", "delivery_cancelled")
    assert len({line["deliveryId"] for line in ended}) == (EVENTS + 1) * WEBHOOKS
    assert all(line["deliveryId"] in accepted[line["eventId"]] for line in ended)
    assert sum(map(len, accepted.values())) == len(ended)


async def test_a_full_disk_delays_the_pieces_and_loses_none(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], slow_pieces: None, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(EVENTS))
    await trio.sleep(1.5)
    disk = disk_of(daemon)
    disk.full = True
    await trio.sleep(30)
    disk.full = False
    await trio.sleep(60)
    assert daemon.log_lines("store_unavailable")
    assert daemon.log_lines("store_recovered")
    assert all(numbers_at(daemon, number) == list(range(EVENTS)) for number in range(WEBHOOKS))


async def test_after_a_clean_stop_between_pieces_the_next_start_creates_the_rest(
    tmp_path: Path, autojump_clock: MockClock, slow_pieces: None
) -> None:
    clock, receiver = VirtualWallClock(), FakeReceiver()
    async with running(tmp_path, receiver, clock) as daemon:
        team = await daemon.team()
        await webhooks_of(daemon, team)
        await daemon.submit(team, *range(EVENTS))
        await trio.sleep(1.5)
        daemon.stop.set()
        with trio.fail_after(5):
            await daemon.stopped.wait()
        assert not daemon.log_lines("store_unavailable", "actor_restarted")
    async with running(tmp_path, receiver, clock) as daemon:
        assert count(daemon, "SELECT count(*) FROM deliveries") < WEBHOOKS * EVENTS
        await trio.sleep(60)
        assert all(numbers_at(daemon, number) == list(range(EVENTS)) for number in range(WEBHOOKS))


@pytest.mark.settings(credits={"enforce": True})
async def test_deliveries_of_a_large_submission_wait_for_credits_like_others(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], slow_pieces: None, autojump_clock: MockClock
) -> None:
    await daemon.grant(team, 2 * PIECE)
    await daemon.submit(team, *range(EVENTS))
    await trio.sleep(60)
    assert (len(daemon.receiver.arrivals), await daemon.balance(team)) == (PIECE, 0)
    await daemon.grant(team, 2 * WEBHOOKS * EVENTS)
    await trio.sleep(60)
    assert all(numbers_at(daemon, number) == list(range(EVENTS)) for number in range(WEBHOOKS))
    assert await daemon.balance(team) == 2 * PIECE
