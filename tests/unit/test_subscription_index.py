"""The router's index answers as a search through all webhooks would."""

import tracemalloc
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.domain.model import Webhook
from daemon.domain.operations import OPERATIONAL_TYPES, About
from daemon.store.reads.actor_reads import Subscription

TYPES = ("a.b", "c.d", "webhook.failing", "*")
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

webhooks = st.builds(
    lambda number, team, events, active, gone, about: replace(
        WEBHOOK,
        id=f"wh_{number}",
        team_id=f"team_{number % 2}",
        events=tuple(event for event in events if event == "*" or (event in OPERATIONAL_TYPES) == (about != "events")),
        active=active,
        deleted_at=gone,
        about=about,
    ),
    st.integers(0, 5),
    st.integers(0, 1),
    st.lists(st.sampled_from(TYPES), max_size=4),
    st.booleans(),
    st.none() | st.just(9),
    st.sampled_from(About),
)


def test_an_index_knows_the_subscriptions_it_was_given() -> None:
    index = SubscriptionIndex()
    index.add(Subscription("wh_1", "t", ("a.b", "c.d")))
    index.add(Subscription("wh_2", "t", ("*", "a.b")))
    index.add(Subscription("wh_3", "t", ("a.b", "a.b")))
    assert index.match("t", "a.b") == ["wh_1", "wh_3", "wh_2"]
    assert index.match("t", "never.seen") == ["wh_2"]
    assert index.match("other", "a.b") == []


def test_a_wildcard_stands_for_the_types_of_its_own_kind() -> None:
    index = SubscriptionIndex()
    index.add(Subscription("wh_1", "t", ("*",)))
    index.add(Subscription("wh_2", "t", ("*",), About.OPERATIONS))
    assert index.match("t", "a.b") == ["wh_1"]
    assert [index.match("t", name) for name in OPERATIONAL_TYPES] == [["wh_2"]] * len(OPERATIONAL_TYPES)


@given(st.lists(webhooks, max_size=30))
def test_after_any_changes_each_matching_active_webhook_is_found_once(changes: list[Webhook]) -> None:
    index, current = SubscriptionIndex(), dict[str, Webhook]()
    for webhook in changes:
        index.put(webhook)
        current[webhook.id] = webhook
    for team in ("team_0", "team_1"):
        for event_type in ("a.b", "c.d", "e.f", "webhook.failing", "credits.low"):
            expected = [
                webhook.id
                for webhook in current.values()
                if webhook.team_id == team
                and webhook.active
                and webhook.deleted_at is None
                and webhook.subscribes_to(event_type)
            ]
            assert sorted(index.match(team, event_type)) == sorted(expected)
            assert index.count(team, event_type) == len(expected)


def test_a_forgotten_webhook_leaves_nothing_behind() -> None:
    index = SubscriptionIndex()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(1_000):
        webhook = replace(WEBHOOK, id=f"wh_{number}", team_id=f"team_{number}")
        index.put(webhook)
        index.put(replace(webhook, active=False))
        index.put(replace(webhook, active=False))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 20_000
    assert index.match("team_1", "a.b") == []


def test_a_registered_webhook_costs_at_most_250_bytes() -> None:
    index = SubscriptionIndex()
    tracemalloc.start()
    for number in range(10_000):
        index.add(Subscription(f"wh_{number:026}", f"team_{number // 10:026}", ("a.b", "c.d")))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / 10_000 <= 250
