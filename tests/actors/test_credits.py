"""What is charged, the ledger, and how deliveries wait under `credits.enforce` (contract "Credits")."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.model import Team, Webhook
from tests.actors.receivers import A, B, slow
from tests.faults.sabotage import Point, Saboteur
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, make_settings, running, skip_ahead, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

enforcing = pytest.mark.settings(credits={"enforce": True})


async def many_webhooks(daemon: RunningDaemon, team: Team, count: int) -> list[Webhook]:
    return [await daemon.webhook(team, f"https://{number}.example/hook") for number in range(count)]


async def delivered(daemon: RunningDaemon, webhooks: list[Webhook]) -> int:
    return sum([(await daemon.statuses(webhook)).count("succeeded") for webhook in webhooks])


# -- metering


async def test_a_success_costs_2_credits_and_a_failed_or_cancelled_delivery_none(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(200, 500, 500, 500, 500, 500)
    await daemon.submit(team, 1, 2, 3)
    await trio.sleep(7.5)
    await daemon.change(webhook, active=False)
    assert await daemon.statuses(webhook) == ["succeeded", "failed", "cancelled"]
    assert await daemon.balance(team) == -2


async def test_a_delivery_that_succeeds_after_retries_is_charged_once(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500, 500, 500, 200)
    await daemon.submit(team, 1)
    await trio.sleep(60)
    (delivery,) = await daemon.deliveries(webhook)
    (entry,) = await daemon.ledger(team)
    assert (entry.amount, entry.delivery_id, entry.created_at) == (-2, delivery.id, delivery.completed_at)


async def test_the_ledger_carries_each_grant_and_debit_with_the_balance_after_it(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.grant(team, 5)
    await daemon.submit(team, 1, 2, 3)
    await trio.sleep(1)
    await daemon.grant(team, 10)
    ledger = await daemon.ledger(team)
    assert [(entry.amount, entry.balance_after) for entry in ledger] == [
        (5, 5),
        (-2, 3),
        (-2, 1),
        (-2, -1),
        (10, 9),
    ]
    assert await daemon.balance(team) == 9
    assert [entry.delivery_id is None for entry in ledger] == [True, False, False, False, True]


async def test_by_default_the_balance_may_go_below_0(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(10))
    await trio.sleep(1)
    assert await daemon.balance(team) == -20
    assert daemon.log_lines("delivery_awaiting_credits") == []


async def test_a_test_delivery_costs_the_same(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit_test(team)
    await trio.sleep(1)
    assert await daemon.balance(team) == -2


@pytest.mark.settings(credits={"per_delivery": 0, "enforce": True})
async def test_a_delivery_that_costs_nothing_leaves_no_entry(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    assert await daemon.statuses(webhook) == ["succeeded"] * 2
    assert (await daemon.balance(team), await daemon.ledger(team)) == (0, [])


# -- enforcing


@enforcing
async def test_without_credits_deliveries_wait_visibly_and_none_is_lost_or_failed(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1, 2, 3)
    await trio.sleep(3600)
    await skip_ahead(23 * 3600)
    assert daemon.receiver.arrivals == []
    first, *others = await daemon.deliveries(webhook)
    assert {delivery.status.value for delivery in (first, *others)} == {"pending"}
    (line,) = daemon.log_lines("delivery_awaiting_credits")
    assert (line["webhookId"], line["deliveryId"]) == (webhook.id, first.id)
    assert (await daemon.current(webhook)).consecutive_failures == 0


@enforcing
async def test_a_correction_below_zero_makes_deliveries_wait(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.grant(team, 100)
    await daemon.submit(team, 1)
    await trio.sleep(1)
    await daemon.grant(team, -103)
    assert await daemon.balance(team) == -5
    await daemon.submit(team, 2, 3)
    await trio.sleep(3600)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [1]
    await daemon.grant(team, 7)
    await trio.sleep(1)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [1, 2]


@pytest.mark.parametrize(("grants", "through"), [((1,), 0), ((1, 1), 1), ((5,), 2), ((6,), 3), ((100,), 6)])
@enforcing
async def test_a_grant_of_n_lets_half_of_n_deliveries_through_in_order(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    grants: tuple[int, ...],
    through: int,
    autojump_clock: MockClock,
) -> None:
    await daemon.submit(team, *range(6))
    await trio.sleep(1)
    for amount in grants:
        await daemon.grant(team, amount)
    await trio.sleep(1)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == list(range(through))
    assert await daemon.balance(team) == sum(grants) - 2 * through


@enforcing
async def test_50_webhooks_of_one_team_never_overdraw_its_credits(
    daemon: RunningDaemon, team: Team, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers.update({f"https://{number}.example/hook": slow(1) for number in range(50)})
    webhooks = await many_webhooks(daemon, team, 50)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    await daemon.grant(team, 15)
    await trio.sleep(1000)
    assert (await delivered(daemon, webhooks), await daemon.balance(team)) == (7, 1)
    await daemon.grant(team, 1)
    await trio.sleep(1000)
    assert (await delivered(daemon, webhooks), await daemon.balance(team)) == (8, 0)
    await daemon.grant(team, 1000)
    await trio.sleep(1000)
    assert (await delivered(daemon, webhooks), len(receiver.arrivals)) == (100, 100)


@enforcing
async def test_a_grant_that_is_committed_while_the_balance_is_read_counts_once(
    daemon: RunningDaemon, team: Team, run_write: FakeThread, run_read: FakeThread, autojump_clock: MockClock
) -> None:
    webhooks = await many_webhooks(daemon, team, 20)
    run_read.begin_s = 1
    await daemon.submit(team, 1)
    run_write.answer_s = 1
    await trio.sleep(1.2)  # the actors read their webhook and deliveries until 1.0, the team's balance until 2.0
    await daemon.grant(team, 10)  # committed at 2.0, known at 3.0
    await trio.sleep(60)
    assert (await delivered(daemon, webhooks), await daemon.balance(team)) == (5, 0)


@enforcing
async def test_a_grant_releases_waiting_deliveries_even_if_its_caller_left(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    run_write.begin_s = 1
    with trio.move_on_after(0.5):
        await daemon.grant(team, 2)
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == ["succeeded"]


@enforcing
async def test_retries_do_not_take_credits_twice(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 500, 500, 200)
    await daemon.grant(team, 4)
    await daemon.submit(team, 1, 2)
    await trio.sleep(60)
    assert await daemon.statuses(webhook) == ["succeeded"] * 2
    assert await daemon.balance(team) == 0


@enforcing
async def test_credits_are_set_aside_for_a_delivery_that_waits_for_its_retry(
    daemon: RunningDaemon, team: Team, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 200)
    await daemon.grant(team, 2)
    await daemon.webhook(team, A)
    await daemon.submit(team, 1)
    await trio.sleep(0.5)
    await daemon.webhook(team, B, "linkedin.message.received")
    await daemon.submit(team, 2, event="linkedin.message.received")
    await trio.sleep(60)
    assert [arrival.number for arrival in receiver.arrivals] == [1, 1]
    assert await daemon.balance(team) == 0


@enforcing
async def test_a_failed_delivery_releases_the_credits_set_aside_for_it(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500)
    await daemon.grant(team, 2)
    failing = await daemon.webhook(team, A, "linkedin.message.sent")
    await daemon.submit(team, 1)
    await trio.sleep(0.5)
    other = await daemon.webhook(team, B, "linkedin.message.received")
    await daemon.submit(team, 2, event="linkedin.message.received")
    await trio.sleep(7)
    assert await daemon.statuses(failing) == ["failed"]
    assert await daemon.statuses(other) == ["succeeded"]
    assert daemon.receiver.at(B)[0].at == pytest.approx(7, abs=1e-6)


@enforcing
async def test_a_team_without_credits_holds_up_no_other_team(daemon: RunningDaemon, autojump_clock: MockClock) -> None:
    poor, rich = await daemon.team(), await daemon.team()
    await daemon.webhook(poor, A)
    webhook = await daemon.webhook(rich, B)
    await daemon.grant(rich, 2)
    await daemon.submit(poor, 1)
    await daemon.submit(rich, 2)
    await trio.sleep(1)
    assert await daemon.statuses(webhook) == ["succeeded"]


@pytest.mark.parametrize("delete", [False, True])
@enforcing
async def test_a_webhook_may_be_disabled_or_deleted_while_its_deliveries_wait_for_credits(
    daemon: RunningDaemon, team: Team, delete: bool, autojump_clock: MockClock
) -> None:
    webhook, other = await daemon.webhook(team, A), await daemon.webhook(team, B)
    await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    if delete:
        await daemon.parts.webhooks.delete(webhook.id)
    else:
        await daemon.change(webhook, active=False)
    assert await daemon.statuses(webhook) == ["cancelled"] * 2
    await daemon.grant(team, 4)
    await trio.sleep(60)
    assert await daemon.statuses(other) == ["succeeded"] * 2
    assert daemon.receiver.at(A) == []
    assert await daemon.balance(team) == 0


@enforcing
async def test_an_edited_url_applies_to_a_delivery_that_waits_for_credits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    await daemon.change(webhook, url=B)
    await daemon.grant(team, 2)
    await trio.sleep(1)
    assert [arrival.url for arrival in daemon.receiver.arrivals] == [B]


async def test_waiting_for_credits_survives_a_crash(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = make_settings(tmp_path, credits={"enforce": True})
    async with running(tmp_path, settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2)
        await trio.sleep(1)
    async with running(tmp_path, daemon.receiver, daemon.clock, settings) as daemon:
        await trio.sleep(1)
        assert len(daemon.log_lines("delivery_awaiting_credits")) == 1
        await daemon.grant(team, 2)
        await trio.sleep(1)
        assert await daemon.statuses(webhook) == ["succeeded", "pending"]


async def test_credits_set_aside_at_a_crash_are_free_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = make_settings(tmp_path, credits={"enforce": True})
    async with running(tmp_path, FakeReceiver({A: slow(1)}), settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.grant(team, 2)
        await daemon.submit(team, 1)
        await trio.sleep(0.5)
    async with running(tmp_path, daemon.receiver, daemon.clock, settings) as daemon:
        await trio.sleep(60)
        assert await daemon.statuses(webhook) == ["succeeded"]
        assert await daemon.balance(team) == 0


@enforcing
async def test_a_stop_does_not_wait_for_credits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    before = daemon.now
    daemon.stop.set()
    await daemon.stopped.wait()
    assert daemon.now == before


@enforcing
async def test_a_success_whose_actor_crashed_right_after_its_commit_frees_no_credits(
    daemon: RunningDaemon,
    team: Team,
    receiver: FakeReceiver,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: MockClock,
) -> None:
    saboteur = Saboteur(Point("RecordAttempt", after=True), on_strike=lambda: None, armed=True)
    saboteur.enter(monkeypatch)
    receiver.answers.update(dict.fromkeys((A, B), slow(1)))
    webhooks = [await daemon.webhook(team, url) for url in (A, B)]
    await daemon.grant(team, 2)
    await daemon.submit(team, 1)
    await trio.sleep(60)
    assert saboteur.struck
    assert (await delivered(daemon, webhooks), await daemon.balance(team)) == (1, 0)
    await daemon.grant(team, 2)
    await trio.sleep(60)
    assert (await delivered(daemon, webhooks), await daemon.balance(team)) == (2, 0)
