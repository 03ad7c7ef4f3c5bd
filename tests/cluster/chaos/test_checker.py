"""The checker finds every kind of broken promise: each is put into the evidence of a run that kept them all."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.cluster.chaos.checker import violations
from tests.cluster.chaos.evidence import (
    Arrival,
    Disturbance,
    Evidence,
    Stored,
    StoredAttempt,
    StoredDelivery,
    StoredEvent,
    StoredLife,
    StoredMail,
    StoredWebhook,
    Submitted,
)
from tests.cluster.chaos.plan import Lifetime, PlannedWebhook

TYPE = "linkedin.message.sent"
DOWN_NUMBERS = range(1, 5)


def arrival(number: int, webhook: str = "up", attempt: int = 1, at: float | None = None, node: int = 1) -> Arrival:
    status = 200 if webhook == "up" else 500
    own = id_of(webhook, number, attempt)
    return Arrival(
        own, at or number + attempt / 10, node, webhook, f"dlv-{webhook}-{number}", attempt, number, status, True
    )


def id_of(webhook: str, number: int, attempt: int = 1) -> int:
    return number * 10 + attempt + 1000 * (webhook == "down")


def recorded(one: Arrival) -> StoredAttempt:
    return StoredAttempt(one.delivery_id, one.attempt, one.status, one.id, one.at + 0.01)


def sound() -> Evidence:
    """Return the evidence of a run: five events, a webhook that is up, one that four failures disabled."""
    submitted = [
        Submitted(n, n, "acme", TYPE, float(n), n + 0.05, f"evt-{n}", 1 + (n in DOWN_NUMBERS)) for n in range(1, 6)
    ]
    up = [StoredDelivery(n, f"dlv-up-{n}", f"evt-{n}", "up", "succeeded", 1, n) for n in range(1, 6)]
    down = [StoredDelivery(10 + n, f"dlv-down-{n}", f"evt-{n}", "down", "failed", 4, n) for n in DOWN_NUMBERS]
    arrivals = [
        *(arrival(n) for n in range(1, 6)),
        *(arrival(n, "down", attempt) for n in DOWN_NUMBERS for attempt in range(1, 5)),
    ]
    return Evidence(
        planned={
            "up": PlannedWebhook("up", "acme", "ok", frozenset({TYPE})),
            "down": PlannedWebhook("down", "acme", "down", frozenset({TYPE})),
        },
        submitted=submitted,
        arrivals=sorted(arrivals, key=lambda one: one.at),
        disturbances=[],
        stored=Stored(
            events=[StoredEvent(n, f"evt-{n}", n, "acme", TYPE) for n in range(1, 6)],
            deliveries=[*up, *down],
            attempts=[recorded(one) for one in arrivals],
            lives=[StoredLife(1, 1, 0, None)],
            webhooks=[StoredWebhook("up", True, False, 0), StoredWebhook("down", False, False, 4)],
            mails=[StoredMail("mail-1", "down", [f"dlv-down-{n}" for n in DOWN_NUMBERS])],
        ),
        mailed={"mail-1": 1},
    )


Break = Callable[[Evidence], Evidence]


def stored(change: Callable[[Stored], Stored]) -> Break:
    return lambda evidence: replace(evidence, stored=change(evidence.stored))


def without_event(number: int) -> Break:
    return stored(lambda found: replace(found, events=[one for one in found.events if one.number != number]))


def with_delivery(name: str, **fields: object) -> Break:
    return stored(
        lambda found: replace(
            found,
            deliveries=[
                replace(one, **fields) if one.id == name else one  # type: ignore[arg-type]  # whatever the test wants
                for one in found.deliveries
            ],
        )
    )


def with_attempt(arrival_id: int, **fields: object) -> Break:
    return stored(
        lambda found: replace(
            found,
            attempts=[
                replace(one, **fields) if one.arrival == arrival_id else one  # type: ignore[arg-type]
                for one in found.attempts
            ],
        )
    )


def with_lives(*lives: StoredLife) -> Break:
    return stored(lambda found: replace(found, lives=list(lives)))


def told(*numbers: int) -> Break:
    mail = StoredMail("mail-1", "down", [f"dlv-down-{number}" for number in numbers])
    return stored(lambda found: replace(found, mails=[mail]))


def arrived_also(*arrivals: Arrival) -> Break:
    return lambda evidence: replace(evidence, arrivals=sorted([*evidence.arrivals, *arrivals], key=lambda one: one.at))


def without_arrival(name: str) -> Break:
    return lambda evidence: replace(evidence, arrivals=[one for one in evidence.arrivals if one.delivery_id != name])


def moved_arrival(name: str, at: float, attempt: int = 1) -> Break:
    return lambda evidence: replace(
        evidence,
        arrivals=sorted(
            (
                replace(one, at=at) if (one.delivery_id, one.attempt) == (name, attempt) else one
                for one in evidence.arrivals
            ),
            key=lambda one: one.at,
        ),
    )


def doubled_event(evidence: Evidence) -> Evidence:
    again = StoredEvent(9, "evt-9", 5, "acme", TYPE)
    return stored(lambda found: replace(found, events=[*found.events, again]))(evidence)


def stray_mail(evidence: Evidence) -> Evidence:
    return replace(evidence, mailed={"mail-1": 1, "mail-2": 1})


def second_mail(evidence: Evidence) -> Evidence:
    mails = [*evidence.stored.mails, replace(evidence.stored.mails[0], id="mail-2")]
    return replace(evidence, stored=replace(evidence.stored, mails=mails), mailed={"mail-1": 1, "mail-2": 1})


def with_webhooks(**counters: int) -> Break:
    return stored(
        lambda found: replace(
            found,
            webhooks=[
                replace(one, consecutive_failures=counters.get(one.name, one.consecutive_failures))
                for one in found.webhooks
            ],
        )
    )


BREAKS: dict[str, tuple[str, Break]] = {
    "a lost event": ("is lost", without_event(5)),
    "an event accepted twice": ("was accepted 2 times", doubled_event),
    "a delivery that was not made": (
        "has 0 deliveries to up",
        stored(lambda found: replace(found, deliveries=[one for one in found.deliveries if one.id != "dlv-up-5"])),
    ),
    "an unknown delivery": (
        "which the database does not know",
        arrived_also(replace(arrival(5, at=9.0), delivery_id="dlv-9")),
    ),
    "another event under this id": ("which is another one", arrived_also(replace(arrival(5, at=9.0), number=4))),
    "an attempt that never arrived": ("the receiver never got it", without_arrival("dlv-up-3")),
    "another answer than was given": ("which was not the answer", with_attempt(id_of("up", 3), status=204)),
    "an attempt recorded as another one's": ("which was not the answer", with_attempt(id_of("up", 3), number=2)),
    "an attempt recorded by a life that had ended": (
        "was recorded 0.010 s after its end",
        with_lives(StoredLife(1, 1, 0, 5.1), StoredLife(1, 2, 5.105, None)),
    ),
    "failures told in another order": ("1 mails tell of it", told(2, 1, 3, 4)),
    "an attempt that is not recorded": ("but is not recorded", arrived_also(arrival(5, attempt=2))),
    "a wrong signature": (
        "a wrong signature",
        lambda evidence: replace(evidence, arrivals=[replace(one, signed=False) for one in evidence.arrivals]),
    ),
    "an event that overtook another": ("got event 5 before event 3", moved_arrival("dlv-up-3", 5.9)),
    "a repetition without a reason": ("nothing was done to it", arrived_also(arrival(5, at=9.0))),
    "attempts of two deliveries mixed": (
        "got dlv-down-3 between the attempts of dlv-down-2",
        moved_arrival("dlv-down-2", 3.15, attempt=4),
    ),
    "a wrong counter": ("counts 1 failures instead of 0", with_webhooks(up=1)),
    "two mails about one disabling": ("2 mails tell of it", second_mail),
    "a mail that never arrived": ("never arrived", lambda evidence: replace(evidence, mailed={})),
    "a mail of nobody": ("mail-2 arrived, which", stray_mail),
    "a mail sent twice": ("arrived 2 times", lambda evidence: replace(evidence, mailed={"mail-1": 2})),
    "an impossible row": (
        "a shard that no living node owns: 7",
        stored(lambda found: replace(found, impossible=["a shard that no living node owns: 7"])),
    ),
    "a complaint": ("got 500", lambda evidence: replace(evidence, complaints=["a submission got 500"])),
}


def test_a_sound_run_has_no_violations() -> None:
    assert violations(sound()) == []


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_promise_is_found(what: str) -> None:
    sentence, break_it = BREAKS[what]
    assert any(sentence in found for found in violations(break_it(sound())))


def test_a_webhook_gets_what_is_submitted_after_its_registration_and_nothing_after_its_deletion() -> None:
    evidence = sound()

    def with_lifetime(lifetime: Lifetime) -> list[str]:
        planned = {**evidence.planned, "up": replace(evidence.planned["up"], lifetime=lifetime)}
        return violations(replace(evidence, planned=planned))

    assert with_lifetime(Lifetime(0.5, 0.9, 5.1, 5.2)) == []
    assert any("has 1 deliveries to up" in found for found in with_lifetime(Lifetime(end=4.5)))
    assert any("has 1 deliveries to up" in found for found in with_lifetime(Lifetime(begin=2.5)))
    late = stored(lambda kept: replace(kept, deliveries=[one for one in kept.deliveries if one.id != "dlv-up-5"]))
    assert any("has 0 deliveries to up" in found for found in violations(late(evidence)))


def test_a_repetition_after_a_kill_is_explained_but_not_five_of_them() -> None:
    evidence = replace(sound(), disturbances=[Disturbance("kill", frozenset({1}), 4.0, 4.0)])
    once = arrived_also(*(arrival(number, at=9.0 + number) for number in range(2, 6)))(evidence)
    assert not [found for found in violations(once) if "dlv-up-5" in found]
    late = arrived_also(arrival(1, at=9.0))(once)
    assert any("too many after kill" in found for found in violations(late))


def test_a_kill_explains_nothing_that_was_committed_long_before() -> None:
    evidence = replace(sound(), disturbances=[Disturbance("kill", frozenset({1}), 8.5, 8.5)])
    assert any("nothing was done" in found for found in violations(arrived_also(arrival(5, at=9.0))(evidence)))


def test_a_kill_of_another_node_explains_nothing() -> None:
    evidence = replace(sound(), disturbances=[Disturbance("kill", frozenset({2}), 5.95, 5.95)])
    assert any("nothing was done" in found for found in violations(arrived_also(arrival(5, at=9.0))(evidence)))


def test_overlapping_submissions_may_come_in_any_order() -> None:
    evidence = sound()
    overlapping = [replace(one, submitted_at=1.0, acknowledged_at=6.0) for one in evidence.submitted]
    assert violations(replace(moved_arrival("dlv-up-3", 5.9)(evidence), submitted=overlapping)) == []
