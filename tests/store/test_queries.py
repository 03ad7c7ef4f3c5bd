"""Pages hold everything once, whatever is added between them; filters do what they say (contract "HTTP API")."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.model import ApiKey, CancelReason, Delivery, DeliveryStatus
from daemon.store.cancel_commands import CancelPending
from daemon.store.commands import (
    AddKey,
    AddPortalLink,
    CreateTeam,
    CreateWebhook,
    EndSession,
    GrantCredits,
    RevokeKey,
    SaveWebhook,
)
from daemon.store.reads import actor_reads, api_reads, delivery_reads
from daemon.store.reads.actor_reads import WithWork
from daemon.store.reads.pagination import Page
from daemon.store.writes.batch import run_batch
from tests.store.filling import (
    NOW,
    AnyDatabase,
    a_portal_link,
    a_team,
    a_webhook,
    accept,
    accepting,
    found,
    recording,
    run,
)


def read(database: AnyDatabase, query: Callable[..., Any], *args: Any) -> Any:
    with database.reading.connect() as connection:
        return query(connection, *args)


def all_pages(fetch: Callable[[int | None], Page[Any]]) -> tuple[list[Any], list[int]]:
    """Return all items, page by page, and the sizes of the pages."""
    items: list[Any] = []
    sizes: list[int] = []
    cursor = None
    while True:
        page = fetch(cursor)
        items += page.items
        sizes.append(len(page.items))
        cursor = page.next_cursor
        if cursor is None:
            return items, sizes


def listed(database: AnyDatabase, **wanted: Any) -> list[Delivery]:
    page: Page[Delivery] = read(database, delivery_reads.list_deliveries, DeliveryFilter(**wanted), 100)
    return list(page.items)


@pytest.mark.parametrize(("rows", "limit", "sizes"), [(0, 3, [0]), (3, 3, [3]), (4, 3, [3, 1]), (7, 2, [2, 2, 2, 1])])
def test_pages_hold_every_delivery_once_newest_first(
    database: AnyDatabase, rows: int, limit: int, sizes: list[int]
) -> None:
    found(database)
    seqs = [work.seq for work in accept(database, range(rows))]
    wanted = DeliveryFilter(team_id="team_1")
    items, found_sizes = all_pages(lambda cursor: read(database, delivery_reads.list_deliveries, wanted, limit, cursor))
    assert [delivery.seq for delivery in items] == seqs[::-1]
    assert found_sizes == sizes


def test_rows_added_between_two_pages_neither_repeat_nor_hide_any(database: AnyDatabase) -> None:
    found(database)
    seqs = [work.seq for work in accept(database, range(10))]
    arriving = iter(range(100, 200))

    def fetch(cursor: int | None) -> Page[Delivery]:
        accept(database, [next(arriving)])
        page: Page[Delivery] = read(database, delivery_reads.list_deliveries, DeliveryFilter(), 4, cursor)
        return page

    items, _ = all_pages(fetch)
    assert [delivery.seq for delivery in items if delivery.seq in seqs] == seqs[::-1]
    assert len({delivery.seq for delivery in items}) == len(items)


def test_each_list_is_paged(database: AnyDatabase) -> None:
    found(database)
    for number in range(2, 8):
        run(database, CreateTeam(a_team(number)))
        run(database, CreateWebhook(a_webhook(number)))
        run(database, AddKey(ApiKey(f"key_{number}", "team_1", "CI", NOW), b"%d" % number))
        run(database, AddPortalLink(a_portal_link(number), b"%d" % number, 0))
        run(database, GrantCredits(f"crd_{number}", "team_1", 1, None, NOW))
    lists: list[Callable[[Connection, int, int | None], Page[Any]]] = [
        api_reads.list_teams,
        lambda c, limit, before: api_reads.list_webhooks(c, "team_1", limit, before),
        lambda c, limit, before: api_reads.list_webhooks(c, None, limit, before),
        lambda c, limit, before: api_reads.list_keys(c, "team_1", limit, before),
        lambda c, limit, before: api_reads.list_portal_links(c, "team_1", limit, before),
        lambda c, limit, before: api_reads.list_credit_entries(c, "team_1", limit, before),
    ]
    for one in lists:
        items, sizes = all_pages(partial(read, database, one, 2))
        assert len({item.id for item in items}) == len(items) >= 6
        assert max(sizes) == 2


def test_deliveries_are_filtered_by_team_webhook_status_type_and_time(database: AnyDatabase) -> None:
    found(database)
    run(database, CreateTeam(a_team(2)))
    run(database, CreateWebhook(a_webhook(2, team=2)))
    first, _ = accept(database, [1, 2])
    run(database, recording(first, 1))
    run_batch(database, [accepting(3, "wh_2", team=2, event_type="c.d", at=NOW + 5)])
    assert [one.id for one in listed(database, team_id="team_2")] == ["dlv_3_wh_2"]
    assert [one.id for one in listed(database, webhook_id="wh_1")] == ["dlv_2_wh_1", "dlv_1_wh_1"]
    assert [one.id for one in listed(database, statuses=(DeliveryStatus.SUCCEEDED,))] == ["dlv_1_wh_1"]
    assert [one.id for one in listed(database, webhook_id="wh_1", statuses=(DeliveryStatus.PENDING,))] == ["dlv_2_wh_1"]
    assert [one.id for one in listed(database, event_type="c.d")] == ["dlv_3_wh_2"]
    assert [one.id for one in listed(database, since=NOW + 5)] == ["dlv_3_wh_2"]
    assert [one.id for one in listed(database, until=NOW + 4)] == ["dlv_2_wh_1", "dlv_1_wh_1"]
    assert [one.id for one in listed(database, since=NOW, until=NOW + 5)][-1] == "dlv_1_wh_1"
    assert listed(database, team_id="team_2", webhook_id="wh_1") == []


def test_pending_work_is_in_order_without_ended_deliveries_and_with_small_bodies_only(database: AnyDatabase) -> None:
    found(database)
    work = accept(database, range(5))
    run(database, recording(work[0], 1))
    run(database, recording(work[1], 1, status=500))
    pending = read(database, actor_reads.pending_work, "wh_1", 3)
    assert [one.seq for one in pending] == [one.seq for one in work[1:4]]
    assert (pending[0].attempts_made, pending[0].next_attempt_at) == (1, NOW + 1000)
    assert pending[1] == work[2]


def test_webhooks_with_work_are_listed_once_each(database: AnyDatabase) -> None:
    found(database)
    run(database, CreateWebhook(a_webhook(2)))
    run(database, CreateWebhook(a_webhook(3)))
    accept(database, range(5), "wh_1", "wh_2")
    run(database, CancelPending("wh_1", CancelReason.WEBHOOK_DISABLED, NOW))
    assert read(database, actor_reads.webhooks_with_work) == WithWork(("wh_2",), None)
    assert read(database, actor_reads.webhooks_with_work, "", 1) == WithWork((), "wh_1")
    assert read(database, actor_reads.webhooks_with_work, "wh_1", 2) == WithWork(("wh_2",), "wh_3")


def test_subscriptions_are_those_of_active_webhooks(database: AnyDatabase) -> None:
    found(database)
    disabled, deleted = a_webhook(2), a_webhook(3)
    for webhook in (disabled, deleted):
        run(database, CreateWebhook(webhook))
    run(database, SaveWebhook(replace(disabled, active=False)))
    run(database, SaveWebhook(replace(deleted, deleted_at=NOW)))
    found_ones = read(database, actor_reads.subscriptions, 0, 10)
    assert found_ones.items == [actor_reads.Subscription("wh_1", "team_1", ("*",))]


def test_every_ended_session_is_found_page_by_page(database: AnyDatabase) -> None:
    ended = [EndSession(f"session_{name}", "key_1", NOW, 0) for name in "dbace"]
    run_batch(database, ended)
    pages: list[list[EndSession]] = []
    place: int | str | None = ""
    with database.reading.connect() as connection:
        while place is not None:
            page = actor_reads.ended_sessions(connection, str(place), 2)
            pages, place = [*pages, page.items], page.behind
    assert pages == [[ended[2], ended[1]], [ended[3], ended[0]], [ended[4]]]


def test_only_the_daemon_finds_a_deleted_webhook(database: AnyDatabase) -> None:
    found(database)
    run(database, SaveWebhook(replace(a_webhook(), deleted_at=NOW)))
    assert read(database, api_reads.get_webhook, "wh_1") is None
    assert read(database, api_reads.list_webhooks, "team_1", 10).items == ()
    assert read(database, actor_reads.webhook_or_deleted, "wh_1") is not None


def test_a_revoked_key_is_listed_but_not_valid_and_keeps_the_time_of_its_first_revocation(
    database: AnyDatabase,
) -> None:
    found(database)
    run(database, AddKey(ApiKey("key_1", "team_1", "CI", NOW), b"one"))
    run(database, AddKey(ApiKey("key_2", "team_1", "CI", NOW), b"two"))
    run(database, RevokeKey("key_1", NOW + 1))
    run(database, RevokeKey("key_1", NOW + 2))
    assert [digest for digest, _ in read(database, actor_reads.valid_keys, 0, 10).items] == [b"two"]
    assert read(database, api_reads.get_key, "key_1").revoked_at == NOW + 1


def test_unknown_ids_are_none_or_empty(database: AnyDatabase) -> None:
    for query in (
        api_reads.get_team,
        api_reads.get_webhook,
        api_reads.get_event,
        api_reads.get_delivery,
        api_reads.get_key,
        api_reads.get_portal_link,
    ):
        assert read(database, query, "nobody") is None
    assert read(database, api_reads.get_attempts, "nobody") == []
    assert read(database, delivery_reads.deliveries_of_event, "nobody", 1).items == ()
    assert read(database, api_reads.get_balance, "nobody") == 0
    assert read(database, actor_reads.next_mail_at) is None


@pytest.mark.fault(
    "A team's list names another team's webhook, which has pages of deliveries", "An empty list that has no next page"
)
def test_pages_do_not_reveal_how_much_another_team_has(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(5))
    theirs = DeliveryFilter(team_id="team_2", webhook_id="wh_1", event_type="none")
    assert read(database, delivery_reads.list_deliveries, theirs, 2, None, 2) == Page((), None)
    ours = read(
        database, delivery_reads.list_deliveries, DeliveryFilter(team_id="team_1", webhook_id="wh_1"), 2, None, 2
    )
    assert len(ours.items) == 2
