"""Cancelling is bounded: one page at once, the rest page by page; none of it is delivered until then."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from daemon.domain.model import CancelReason
from daemon.store.cancel_commands import CancelledPage, CancelNext, CancelPending
from daemon.store.commands import (
    Cancelled,
    CreateWebhook,
    Recover,
    SaveWebhook,
)
from daemon.store.reads import actor_reads
from daemon.store.writes import cancelling
from tests.store.filling import NOW, AnyDatabase, a_webhook, accept, count, found, run

DISABLED, DELETED = CancelReason.WEBHOOK_DISABLED, CancelReason.WEBHOOK_DELETED
PAGE = 5


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "MAX_CANCELLED_PER_COMMIT", PAGE)


def disable(database: AnyDatabase, *but_seqs: int, now: int = NOW, webhook: int = 1) -> Cancelled:
    answer: Cancelled = run(database, SaveWebhook(a_webhook(webhook), DISABLED, but_seqs, now))
    return answer


def pages(database: AnyDatabase) -> list[CancelledPage]:
    """Cancel all that is left; return the pages."""
    found: list[CancelledPage] = []
    while page := run(database, CancelNext(found[-1].cancellation_seq if found else 0)):
        found.append(page)
    return found


def read(database: AnyDatabase, query: Callable[..., Any], *args: Any) -> Any:
    def ask(connection: Connection) -> Any:
        return query(connection, *args)

    with database.reading.connect() as connection:
        return ask(connection)


def work(database: AnyDatabase, webhook_id: str = "wh_1") -> list[int]:
    return [one.seq for one in read(database, actor_reads.pending_work, webhook_id, 100)]


def test_a_transaction_cancels_no_more_than_a_page_and_the_rest_comes_with_the_next_ones(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(17))
    first = disable(database)
    assert (first.count, len(first.first), first.more) == (PAGE, PAGE, True)
    assert [(page.count, page.total) for page in pages(database)] == [(5, None), (5, None), (2, 17)]
    assert count(database, "deliveries", f"status = 'cancelled' AND completed_at = {NOW}") == 17
    assert count(database, "cancellations") == 0
    assert run(database, CancelNext(0)) is None


def test_a_backlog_of_one_page_is_cancelled_at_once(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(PAGE - 1))
    assert not disable(database).more
    assert count(database, "cancellations") == 0


def test_deliveries_left_to_cancel_are_no_work_even_if_the_webhook_is_enabled_again(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(17))
    disable(database)
    run(database, SaveWebhook(a_webhook()))
    assert work(database) == []
    later = [one.seq for one in accept(database, range(20, 23))]
    assert work(database) == later
    pages(database)
    assert work(database) == later
    assert count(database, "deliveries", "status = 'cancelled'") == 17


def test_the_delivery_in_flight_is_spared_and_goes_on_first(database: AnyDatabase) -> None:
    found(database)
    in_flight, *_ = accept(database, range(17))
    disable(database, in_flight.seq)
    run(database, SaveWebhook(a_webhook()))
    later = [one.seq for one in accept(database, range(20, 23))]
    assert work(database) == [in_flight.seq, *later]
    assert [one.seq for one in read(database, actor_reads.pending_work, "wh_1", 2)] == [in_flight.seq, later[0]]
    pages(database)
    assert work(database) == [in_flight.seq, *later]


def test_a_second_disabling_keeps_what_the_first_left_and_includes_the_spared_delivery(database: AnyDatabase) -> None:
    found(database)
    in_flight, *_ = accept(database, range(17))
    disable(database, in_flight.seq)
    run(database, SaveWebhook(a_webhook()))
    accept(database, range(20, 22))
    second = disable(database, now=NOW + 1)
    assert (second.count, second.more) == (3, False)
    assert work(database) == []
    pages(database)
    assert count(database, "deliveries", f"status = 'cancelled' AND completed_at = {NOW}") == 16
    assert count(database, "deliveries", f"status = 'cancelled' AND completed_at = {NOW + 1}") == 3


def test_several_in_flight_are_spared_and_found_again_when_the_cancellation_is_over(database: AnyDatabase) -> None:
    found(database)
    in_flight = [one.seq for one in accept(database, range(17))][2:5]
    disable(database, *in_flight)
    run(database, SaveWebhook(a_webhook()))
    later = [one.seq for one in accept(database, range(20, 23))]
    assert work(database) == later
    last = pages(database)[-1]
    assert last.spared_some
    assert work(database) == [*in_flight, *later]
    assert count(database, "deliveries", "status = 'cancelled'") == 14


def test_two_long_cancellations_of_a_webhook_run_in_order_each_with_its_reason(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(17))
    disable(database)
    accept(database, range(20, 37))
    assert run(database, CancelPending("wh_1", DELETED, NOW + 1)).more
    assert [(page.reason, page.total) for page in pages(database) if page.total] == [(DISABLED, 17), (DELETED, 17)]
    assert count(database, "deliveries", "cancel_reason = 'webhook_disabled'") == 17
    assert count(database, "deliveries", "cancel_reason = 'webhook_deleted'") == 17


def test_webhooks_take_turns(database: AnyDatabase) -> None:
    found(database)
    for number in (1, 2):
        accept(database, range(number * 20, number * 20 + 16), f"wh_{number}")
        disable(database, webhook=number)
    assert count(database, "cancellations") == 2
    run(database, CreateWebhook(a_webhook(2)))
    assert [page.webhook_id for page in pages(database)][:4] == ["wh_1", "wh_2", "wh_1", "wh_2"]


def test_deliveries_being_cancelled_count_as_missed_and_can_be_recovered_at_once(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(17))
    disable(database)
    run(database, SaveWebhook(a_webhook()))
    new_ids = tuple(f"dlv_new_{number}" for number in range(50))
    assert run(database, Recover(a_webhook(), 0, 0, 50, new_ids, NOW)).queued == 17
    assert len(work(database)) == 17
    pages(database)
    assert len(work(database)) == 17
