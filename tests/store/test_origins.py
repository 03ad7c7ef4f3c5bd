"""A delivery knows what it was queued again for, and an event the key that it came with."""

from msgspec import structs

from daemon.domain.model import CancelReason, Origin
from daemon.store.cancel_commands import CancelPending
from daemon.store.commands import Recover, Resend
from daemon.store.reads import api_reads
from tests.store.filling import NOW, AnyDatabase, a_webhook, accept, accepting, found, run
from tests.store.test_queries import read


def origin_of(database: AnyDatabase, delivery_id: str) -> tuple[Origin | None, str | None]:
    delivery = read(database, api_reads.get_delivery, delivery_id)
    assert delivery is not None
    return delivery.origin, delivery.origin_id


def recover(database: AnyDatabase, *new_ids: str) -> None:
    run(database, Recover(a_webhook(), 0, 0, 10, new_ids, NOW))


def test_what_is_resent_names_the_delivery_that_was_resent(database: AnyDatabase) -> None:
    found(database)
    accept(database, [1])
    run(database, Resend("dlv_1_wh_1", "dlv_second", NOW))
    run(database, Resend("dlv_second", "dlv_third", NOW))
    assert origin_of(database, "dlv_1_wh_1") == (None, None)
    assert origin_of(database, "dlv_second") == (Origin.RESEND, "dlv_1_wh_1")
    assert origin_of(database, "dlv_third") == (Origin.RESEND, "dlv_second")


def test_what_is_recovered_names_the_last_delivery_that_did_not_arrive(database: AnyDatabase) -> None:
    found(database)
    accept(database, [1, 2], "wh_1", "wh_2")
    run(database, accepting(3))  # the webhook did not subscribe to it then
    run(database, Resend("dlv_1_wh_1", "dlv_again", NOW))
    run(database, CancelPending("wh_1", CancelReason.WEBHOOK_DISABLED, NOW))
    recover(database, "dlv_a", "dlv_b", "dlv_c")
    assert origin_of(database, "dlv_a") == (Origin.RECOVER, "dlv_again")
    assert origin_of(database, "dlv_b") == (Origin.RECOVER, "dlv_2_wh_1")
    assert origin_of(database, "dlv_c") == (Origin.RECOVER, None)


def test_an_event_knows_whose_key_it_came_with(database: AnyDatabase) -> None:
    found(database)
    for number, key_id in ((1, "key_1"), (2, None)):
        command = accepting(number, "wh_1")
        [matched] = command.events
        with_key = structs.replace(matched, event=structs.replace(matched.event, key_id=key_id))
        run(database, structs.replace(command, events=(with_key,)))
    keys = [event and event.key_id for event in (read(database, api_reads.get_event, f"evt_{n}") for n in (1, 2))]
    assert keys == ["key_1", None]
