"""Ids, and the words' own little rules."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from daemon.domain.model import Outcome, OutcomeKind, Webhook, fan_out_delivery_id, id_maker

WEBHOOK = Webhook(
    id="wh_1",
    team_id="team_1",
    name="CRM",
    url="https://a.example",
    secret=None,
    events=("a.b",),
    created_at=1,
    updated_at=1,
)


def test_an_id_has_its_prefix_and_26_lower_case_characters() -> None:
    made = id_maker(lambda: 1_800_000_000_000)("dlv")
    prefix, _, rest = made.partition("_")
    assert prefix == "dlv"
    assert len(rest) == 26
    assert set(rest) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_ids_of_one_millisecond_differ() -> None:
    make = id_maker(lambda: 1)
    assert len({make("x") for _ in range(1000)}) == 1000


@given(
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**48 - 1),
    st.binary(min_size=10, max_size=10),
    st.binary(min_size=10, max_size=10),
)
def test_ids_sort_by_the_time_they_were_made(one: int, two: int, chance_one: bytes, chance_two: bytes) -> None:
    first, second = id_maker(lambda: one, lambda _: chance_one)("x"), id_maker(lambda: two, lambda _: chance_two)("x")
    assert (first < second) == ((one, chance_one) < (two, chance_two))


def test_the_id_of_a_fanned_out_delivery_follows_from_its_event_and_webhook_and_sorts_with_the_event() -> None:
    event_id, other_event = id_maker(lambda: 1_800_000_000_000)("evt"), id_maker(lambda: 1_800_000_000_001)("evt")
    ids = {fan_out_delivery_id(event, f"wh_{number}") for event in (event_id, other_event) for number in range(1000)}
    assert len(ids) == 2000
    assert {len(one) for one in ids} == {len("dlv_") + 26}
    assert (
        fan_out_delivery_id(event_id, "wh_1")
        == fan_out_delivery_id(event_id, "wh_1")
        < fan_out_delivery_id(other_event, "wh_1")
    )


def test_ids_are_made_even_when_the_clock_is_far_off() -> None:
    assert len(id_maker(lambda: -5)("x")) == len(id_maker(lambda: 2**60)("x")) == 28


def test_a_subscription_takes_its_types_and_a_wildcard_all() -> None:
    assert WEBHOOK.subscribes_to("a.b")
    assert not WEBHOOK.subscribes_to("a.bc")
    assert replace(WEBHOOK, events=("*",)).subscribes_to("not.invented.yet")
    assert not replace(WEBHOOK, events=()).subscribes_to("a.b")


def test_only_a_delivered_outcome_is_a_success() -> None:
    assert [kind for kind in OutcomeKind if Outcome(kind, 0).delivered] == [OutcomeKind.DELIVERED]
