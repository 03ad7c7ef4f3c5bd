"""What is charged, the ledger, and how deliveries wait under `credits.enforce` (contract "Credits")."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.config.settings import Settings
from daemon.domain.model import Team, Webhook
from tests.faults.sabotage import Point, Saboteur
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, make_settings, running, skip_ahead, statuses

A, B = "https://a.example/hook", "https://b.example/hook"


def enforcing(state_dir: Path, *, per_delivery: int = 2, **delivery: Any) -> Settings:
    return make_settings(state_dir, credits={"enforce": True, "per_delivery": per_delivery}, delivery=delivery)


async def slowly(_request: httpx.Request) -> httpx.Response:
    await trio.sleep(1)
    return httpx.Response(200)


async def many_webhooks(daemon: RunningDaemon, team: Team, count: int) -> list[Webhook]:
    return [await daemon.webhook(team, f"https://{number}.example/hook") for number in range(count)]


async def delivered(daemon: RunningDaemon, webhooks: list[Webhook]) -> int:
    return sum([(await daemon.statuses(webhook)).count("succeeded") for webhook in webhooks])


# -- metering


async def test_a_success_costs_2_credits_and_a_failed_or_cancelled_delivery_none(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver({A: statuses(200, 500, 500, 500, 500, 500)})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2, 3)
        await trio.sleep(7.5)
        await daemon.change(webhook, active=False)
        assert await daemon.statuses(webhook) == ["succeeded", "failed", "cancelled"]
        assert await daemon.balance(team) == -2


async def test_retries_of_a_delivery_that_succeeds_at_last_are_charged_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({A: statuses(500, 500, 500, 200)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(60)
        (delivery,) = await daemon.deliveries(webhook)
        (entry,) = await daemon.ledger(team)
        assert (entry.amount, entry.delivery_id, entry.created_at) == (-2, delivery.id, delivery.completed_at)


async def test_the_ledger_carries_each_grant_and_debit_with_the_balance_after_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A)
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


async def test_by_default_the_balance_may_go_below_0(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A)
        await daemon.submit(team, *range(10))
        await trio.sleep(1)
        assert await daemon.balance(team) == -20
        assert daemon.log_lines("delivery_awaiting_credits") == []


async def test_a_test_delivery_costs_the_same(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A)
        await daemon.submit_test(team)
        await trio.sleep(1)
        assert await daemon.balance(team) == -2


async def test_a_delivery_that_costs_nothing_leaves_no_entry(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path, settings=enforcing(tmp_path, per_delivery=0)) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2)
        await trio.sleep(1)
        assert await daemon.statuses(webhook) == ["succeeded"] * 2
        assert (await daemon.balance(team), await daemon.ledger(team)) == (0, [])


# -- enforcing


async def test_without_credits_deliveries_wait_visibly_and_none_is_lost_or_failed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1, 2, 3)
        await trio.sleep(3600)
        await skip_ahead(23 * 3600)
        assert daemon.receiver.arrivals == []
        first, *others = await daemon.deliveries(webhook)
        assert {delivery.status.value for delivery in (first, *others)} == {"pending"}
        (line,) = daemon.log_lines("delivery_awaiting_credits")
        assert (line["webhookId"], line["deliveryId"]) == (webhook.id, first.id)
        assert (await daemon.current(webhook)).consecutive_failures == 0


async def test_a_correction_below_zero_has_deliveries_wait(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A)
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
async def test_grants_of_n_let_n_halves_through_in_order(
    tmp_path: Path, autojump_clock: MockClock, grants: tuple[int, ...], through: int
) -> None:
    async with running(tmp_path, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A)
        await daemon.submit(team, *range(6))
        await trio.sleep(1)
        for amount in grants:
            await daemon.grant(team, amount)
        await trio.sleep(1)
        assert [arrival.number for arrival in daemon.receiver.arrivals] == list(range(through))
        assert await daemon.balance(team) == sum(grants) - 2 * through


async def test_50_webhooks_of_one_team_never_overdraw_its_credits(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver({f"https://{number}.example/hook": slowly for number in range(50)})
    async with running(tmp_path, receiver, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
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


async def test_a_grant_that_is_committed_while_the_balance_is_read_counts_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    run_read, run_write = FakeThread(), FakeThread()
    async with running(
        tmp_path,
        settings=enforcing(tmp_path),
        run_read=run_read,
        run_write=run_write,
    ) as daemon:
        team = await daemon.team()
        webhooks = await many_webhooks(daemon, team, 20)
        run_read.begin_s = 1
        await daemon.submit(team, 1)
        run_write.answer_s = 1
        await trio.sleep(1.2)  # the actors read webhook and deliveries until 1.0, their team's balance until 2.0
        await daemon.grant(team, 10)  # committed at 2.0, known at 3.0
        await trio.sleep(60)
        assert (await delivered(daemon, webhooks), await daemon.balance(team)) == (5, 0)


async def test_a_grant_lets_go_on_what_waits_even_if_its_caller_went_away(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    run_write = FakeThread()
    async with running(tmp_path, settings=enforcing(tmp_path), run_write=run_write) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(1)
        run_write.begin_s = 1
        with trio.move_on_after(0.5):
            await daemon.grant(team, 2)
        await trio.sleep(60)
        assert await daemon.statuses(webhook) == ["succeeded"]


async def test_retries_do_not_take_credits_twice(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = FakeReceiver({A: statuses(500, 500, 500, 200)})
    async with running(tmp_path, receiver, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.grant(team, 4)
        await daemon.submit(team, 1, 2)
        await trio.sleep(60)
        assert await daemon.statuses(webhook) == ["succeeded"] * 2
        assert await daemon.balance(team) == 0


async def test_credits_are_set_aside_for_a_delivery_that_waits_for_its_retry(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver({A: statuses(500, 200)})
    async with running(tmp_path, receiver, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
        await daemon.grant(team, 2)
        await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(0.5)
        await daemon.webhook(team, B, "linkedin.message.received")
        await daemon.submit(team, 2, event="linkedin.message.received")
        await trio.sleep(60)
        assert [arrival.number for arrival in receiver.arrivals] == [1, 1]
        assert await daemon.balance(team) == 0


async def test_a_failed_delivery_gives_back_what_was_set_aside(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path, FakeReceiver({A: statuses(500)}), settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
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


async def test_a_team_without_credits_holds_up_no_other_team(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path, settings=enforcing(tmp_path)) as daemon:
        poor, rich = await daemon.team(), await daemon.team()
        await daemon.webhook(poor, A)
        webhook = await daemon.webhook(rich, B)
        await daemon.grant(rich, 2)
        await daemon.submit(poor, 1)
        await daemon.submit(rich, 2)
        await trio.sleep(1)
        assert await daemon.statuses(webhook) == ["succeeded"]


@pytest.mark.parametrize("delete", [False, True])
async def test_a_webhook_may_be_disabled_or_deleted_while_its_deliveries_wait_for_credits(
    tmp_path: Path, autojump_clock: MockClock, delete: bool
) -> None:
    async with running(tmp_path, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
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


async def test_an_edited_url_holds_for_a_delivery_that_waits_for_credits(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(1)
        await daemon.change(webhook, url=B)
        await daemon.grant(team, 2)
        await trio.sleep(1)
        assert [arrival.url for arrival in daemon.receiver.arrivals] == [B]


async def test_waiting_for_credits_survives_a_crash(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = enforcing(tmp_path)
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


async def test_what_was_set_aside_at_a_crash_is_free_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = enforcing(tmp_path)
    async with running(tmp_path, FakeReceiver({A: slowly}), settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.grant(team, 2)
        await daemon.submit(team, 1)
        await trio.sleep(0.5)
    async with running(tmp_path, daemon.receiver, daemon.clock, settings) as daemon:
        await trio.sleep(60)
        assert await daemon.statuses(webhook) == ["succeeded"]
        assert await daemon.balance(team) == 0


async def test_a_stop_does_not_wait_for_credits(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A)
        await daemon.submit(team, 1)
        await trio.sleep(1)
        before = daemon.now
        daemon.stop.set()
        await daemon.stopped.wait()
        assert daemon.now == before


async def test_a_success_whose_actor_crashed_right_after_its_commit_lets_nobody_else_through(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    saboteur = Saboteur(Point("RecordAttempt", after=True), on_strike=lambda: None, armed=True)
    saboteur.enter(monkeypatch)
    receiver = FakeReceiver(dict.fromkeys((A, B), slowly))
    async with running(tmp_path, receiver, settings=enforcing(tmp_path)) as daemon:
        team = await daemon.team()
        webhooks = [await daemon.webhook(team, url) for url in (A, B)]
        await daemon.grant(team, 2)
        await daemon.submit(team, 1)
        await trio.sleep(60)
        assert saboteur.struck
        assert (await delivered(daemon, webhooks), await daemon.balance(team)) == (1, 0)
        await daemon.grant(team, 2)
        await trio.sleep(60)
        assert (await delivered(daemon, webhooks), await daemon.balance(team)) == (2, 0)
