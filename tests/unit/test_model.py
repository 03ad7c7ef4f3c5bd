"""Ids, and the words' own little rules."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from daemon.domain.ids import fan_out_delivery_id, ids_maker
from daemon.domain.model import Outcome, OutcomeKind, Webhook

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
    [made] = ids_maker(lambda: 1_800_000_000_000)("dlv", 1)
    prefix, _, rest = made.partition("_")
    assert prefix == "dlv"
    assert len(rest) == 26
    assert set(rest) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_ids_of_one_millisecond_differ() -> None:
    make = ids_maker(lambda: 1)
    assert len({*make("x", 1000), *make("x", 1000)}) == 2000


def test_no_ids_are_made_when_none_are_asked_for() -> None:
    assert ids_maker(lambda: 1)("x", 0) == []


def test_each_of_the_32_characters_is_as_likely() -> None:
    made = ids_maker(lambda: 1, lambda count: bytes(number % 256 for number in range(count)))("x", 256)
    assert set(Counter("".join(each[-16:] for each in made)).values()) == {256 * 16 // 32}


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_ids_sort_by_the_time_they_were_made(one: int, two: int) -> None:
    [first], [second] = ids_maker(lambda: one)("x", 1), ids_maker(lambda: two)("x", 1)
    assert one == two or (first < second) == (one < two)


def test_the_id_of_a_fanned_out_delivery_follows_from_its_event_and_webhook_and_sorts_with_the_event() -> None:
    [event_id] = ids_maker(lambda: 1_800_000_000_000)("evt", 1)
    [other_event] = ids_maker(lambda: 1_800_000_000_001)("evt", 1)
    ids = {fan_out_delivery_id(event, f"wh_{number}") for event in (event_id, other_event) for number in range(1000)}
    assert len(ids) == 2000
    assert {len(one) for one in ids} == {len("dlv_") + 26}
    assert (
        fan_out_delivery_id(event_id, "wh_1")
        == fan_out_delivery_id(event_id, "wh_1")
        < fan_out_delivery_id(other_event, "wh_1")
    )


def test_ids_are_made_even_when_the_clock_is_far_off() -> None:
    [early], [late] = ids_maker(lambda: -5)("x", 1), ids_maker(lambda: 2**60)("x", 1)
    assert len(early) == len(late) == 28


def test_a_subscription_takes_its_types_and_a_wildcard_all() -> None:
    assert WEBHOOK.subscribes_to("a.b")
    assert not WEBHOOK.subscribes_to("a.bc")
    assert replace(WEBHOOK, events=("*",)).subscribes_to("not.invented.yet")
    assert not replace(WEBHOOK, events=()).subscribes_to("a.b")


def test_only_a_delivered_outcome_is_a_success() -> None:
    assert [kind for kind in OutcomeKind if Outcome(kind, 0).delivered] == [OutcomeKind.DELIVERED]
