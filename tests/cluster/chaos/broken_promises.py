"""The evidence of a run that kept every promise, and ways to break each of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from tests.cluster.chaos.evidence import (
    Arrival,
    Evidence,
    Recovery,
    Stored,
    StoredAttempt,
    StoredDelivery,
    StoredEvent,
    StoredLife,
    StoredMail,
    StoredWebhook,
    Submitted,
)
from tests.cluster.chaos.plan import Edit, Lifetime, PlannedWebhook

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


def with_plan(**fields: object) -> Break:
    def change(evidence: Evidence) -> Evidence:
        webhook = replace(evidence.planned["up"], **fields)  # type: ignore[arg-type]  # whatever the test wants
        return replace(evidence, planned={**evidence.planned, "up": webhook})

    return change


def with_edit(asked: float, answered: float, arrived_new: Collection[int]) -> Break:
    def change(evidence: Evidence) -> Evidence:
        arrivals = [
            replace(one, edited=one.number in arrived_new) if one.webhook == "up" else one for one in evidence.arrivals
        ]
        return with_plan(edit=Edit(asked, answered))(replace(evidence, arrivals=arrivals))

    return change


def paused_at(number: int) -> Break:
    """Have the webhook be disabled while this event was submitted."""
    return with_plan(pauses=(Lifetime(number - 0.4, number - 0.3, number + 0.3, number + 0.4),))


def made_again(name: str, number: int, *, seq: int = 99, resent: Mapping[str, str] | None = None) -> Break:
    """Have a delivery made of this event later on."""

    def change(evidence: Evidence) -> Evidence:
        came = replace(arrival(number, at=9.0 + seq), delivery_id=name, id=seq)
        again = StoredDelivery(seq, name, f"evt-{number}", "up", "succeeded", 1, 9.0 + seq, again=True)
        kept = evidence.stored
        found = replace(kept, deliveries=[*kept.deliveries, again], attempts=[*kept.attempts, recorded(came)])
        return replace(evidence, stored=found, arrivals=[*evidence.arrivals, came], resent=resent or {})

    return change


def missing_number_4(recovered: Sequence[int]) -> Break:
    """Have the webhook miss event 4 while it was disabled, and recover these events."""

    def change(evidence: Evidence) -> Evidence:
        kept = evidence.stored
        found = replace(
            kept,
            deliveries=[one for one in kept.deliveries if one.id != "dlv-up-4"],
            attempts=[one for one in kept.attempts if one.delivery_id != "dlv-up-4"],
        )
        submitted = [replace(one, deliveries=1) if one.number == 4 else one for one in evidence.submitted]
        changed = without_arrival("dlv-up-4")(replace(paused_at(4)(evidence), stored=found, submitted=submitted))
        for place, number in enumerate(recovered):
            changed = made_again(f"dlv-again-{place}", number, seq=90 + place)(changed)
        return replace(changed, recoveries=[Recovery("up", 3.6, 4.5, 4.6, len(recovered))])

    return change
