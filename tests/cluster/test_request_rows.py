"""A request's row: who locks it answers it, once, and nobody waits for it; old ones go."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from daemon.domain.errors import IdempotencyConflict, RequestOver
from daemon.domain.model import Webhook
from daemon.domain.submission import Idempotency
from daemon.store.commands import SaveWebhook
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.postgresql.requests import START, Place, answer_of, open_requests
from daemon.store.request_commands import (
    AnswerRequest,
    AskRequest,
    Changed,
    Gone,
    PruneRequests,
    Refused,
    SettleRequest,
    WithdrawRequest,
)
from daemon.store.writes.batch import run_batch
from tests.cluster.nodes import renaming
from tests.store.filling import a_webhook, count, run
from tests.support.reused_databases import Lent

KEY = Idempotency("operator", "key-1", b"\x00\xff fingerprint")


@pytest.fixture
def other(lent: Lent, database: PostgresqlDatabase) -> Iterator[PostgresqlDatabase]:
    """Another node's connections."""
    opened = lent.open()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def asked(database: PostgresqlDatabase, webhook: Webhook) -> AskRequest:
    ask = AskRequest("req_1", webhook.id, renaming("CRM 2"), KEY, 2, 20)
    run(database, ask)
    return ask


def saving(name: str, request_id: str = "req_1", key: Idempotency | None = None) -> AnswerRequest:
    return AnswerRequest(SaveWebhook(replace(a_webhook(), name=name)), request_id, idempotency=key, now=1)


def answer(database: PostgresqlDatabase, request_id: str = "req_1") -> object:
    with database.reading.connect() as connection:
        return answer_of(connection, request_id)


def names(database: PostgresqlDatabase) -> list[str]:
    with database.reading.connect() as connection:
        return [str(name) for name in connection.exec_driver_sql("SELECT name FROM webhooks").scalars()]


def test_a_request_is_read_as_it_was_asked(database: PostgresqlDatabase) -> None:
    with database.reading.connect() as connection:
        [request], behind = open_requests(connection, START, 10)
    assert (request.id, request.webhook_id, request.idempotency, behind) == ("req_1", "wh_1", KEY, None)


def test_open_requests_are_read_page_by_page_oldest_first(database: PostgresqlDatabase, asked: AskRequest) -> None:
    for number in (9, 3, 7):
        run(database, AskRequest(f"req_{number}", "wh_1", asked.change, None, 2, 20))
    read = list[str]()
    place: Place | None = START
    with database.reading.connect() as connection:
        while place is not None:
            page, place = open_requests(connection, place, 3)
            read += [request.id for request in page]
    assert read == ["req_1", "req_9", "req_3", "req_7"]


def test_who_answers_first_has_answered_and_the_second_changes_nothing(database: PostgresqlDatabase) -> None:
    run(database, saving("CRM 2"))
    with pytest.raises(RequestOver):
        run(database, saving("CRM 3"))
    run(database, SettleRequest("req_1", Gone()))
    assert names(database) == ["CRM 2"]
    assert answer(database) == Changed(replace(a_webhook(), name="CRM 2"))


def test_what_is_refused_or_withdrawn_is_not_carried_out_later(database: PostgresqlDatabase, asked: AskRequest) -> None:
    run(database, AskRequest("req_2", "wh_1", asked.change, None, 2, 20))
    run(database, SettleRequest("req_1", Refused("StoreUnavailable", "no")))
    assert run(database, WithdrawRequest("req_2")) is None
    for request_id in ("req_1", "req_2", "req_unknown"):
        with pytest.raises(RequestOver):
            run(database, saving("CRM 3", request_id))
    assert run(database, WithdrawRequest("req_1")) == Refused("StoreUnavailable", "no")
    assert names(database) == ["CRM"]


def test_two_nodes_answer_at_once_and_the_second_neither_waits_nor_changes(
    database: PostgresqlDatabase, other: PostgresqlDatabase
) -> None:
    with database.transaction() as connection:
        database.own_commands[AnswerRequest](connection, [saving("CRM 2")], database.sequences)
        with pytest.raises(RequestOver):
            run(other, saving("CRM 3"))
        run(other, SettleRequest("req_1", Gone()))
        assert run(other, WithdrawRequest("req_1")) is None
    assert (names(other), type(answer(other))) == (["CRM 2"], Changed)


def test_what_is_rolled_back_leaves_the_request_open(database: PostgresqlDatabase, other: PostgresqlDatabase) -> None:
    def die() -> None:
        with database.transaction() as connection:
            database.own_commands[AnswerRequest](connection, [saving("CRM 2", key=KEY)], database.sequences)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert (answer(other), count(other, "idempotency_keys")) == (None, 0)
    run(other, saving("CRM 3", key=KEY))
    assert names(other) == ["CRM 3"]


def test_a_key_that_another_transaction_is_taking_is_waited_for_and_then_refused(
    database: PostgresqlDatabase, other: PostgresqlDatabase, asked: AskRequest
) -> None:
    run(database, AskRequest("req_2", "wh_1", asked.change, None, 2, 20))
    late = saving("CRM 3", "req_2", Idempotency("operator", "key-1", b"other"))
    answers = list[object]()
    thread = threading.Thread(target=lambda: answers.extend(run_batch(other, [late])))
    with database.transaction() as connection:
        database.own_commands[AnswerRequest](connection, [saving("CRM 2", key=KEY)], database.sequences)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(10)
    assert [type(one) for one in answers] == [IdempotencyConflict]
    assert names(database) == ["CRM 2"]
    refused = answer(database, "req_2")
    assert isinstance(refused, Refused)
    assert refused.error == "IdempotencyConflict"


def test_a_request_is_forgotten_an_hour_after_its_deadline(database: PostgresqlDatabase, asked: AskRequest) -> None:
    for number in range(2, 6):
        run(database, AskRequest(f"req_{number}", "wh_1", asked.change, None, 2, 20))
    run(database, saving("CRM 2"))
    with database.transaction() as connection:
        old = "UPDATE requests SET deadline_at = clock_timestamp() - interval '61 minutes' WHERE id < 'req_4'"
        connection.exec_driver_sql(old)
    assert [run(database, PruneRequests(2)) for _ in range(3)] == [2, 1, 0]
    assert count(database, "requests") == 2
