"""The checker finds every kind of broken promise: each is put into the evidence of a run that kept them all."""

from dataclasses import replace

import pytest

from tests.cluster.chaos.broken_promises import (
    Break,
    arrival,
    arrived_also,
    doubled_event,
    id_of,
    made_again,
    missing_number_4,
    moved_arrival,
    paused_at,
    second_mail,
    sound,
    stored,
    stray_mail,
    told,
    with_attempt,
    with_delivery,
    with_edit,
    with_lives,
    with_webhooks,
    without_arrival,
    without_event,
)
from tests.cluster.chaos.checker import violations
from tests.cluster.chaos.evidence import Disturbance, StoredLife
from tests.cluster.chaos.plan import Lifetime

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
    "an old address after an edit": ("at its old address 2.200 s", with_edit(asked=2, answered=2.9, arrived_new=())),
    "a new address before an edit": ("that nobody had given", with_edit(asked=2, answered=2.9, arrived_new=(1, 4, 5))),
    "a cancelled delivery of an enabled webhook": ("always enabled", with_delivery("dlv-up-5", status="cancelled")),
    "an event for a disabled webhook": ("has 1 deliveries to up", paused_at(4)),
    "a delivery that nobody asked for": ("that nobody asked for", made_again("dlv-x", 3)),
    "a resend of another event": ("is of another event", made_again("dlv-x", 3, resent={"dlv-x": "dlv-up-2"})),
    "a lost resend": ("is lost", lambda evidence: replace(evidence, resent={"dlv-x": "dlv-up-2"})),
    "a missed event that is not recovered": ("not recovered", missing_number_4(recovered=())),
    "an event recovered twice": ("recovered 2 times", missing_number_4(recovered=(4, 4))),
    "events recovered in another order": ("whose event came later", missing_number_4(recovered=(4, 3))),
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


def test_what_was_missed_and_recovered_and_what_was_sent_again_is_no_violation() -> None:
    assert violations(missing_number_4(recovered=(4,))(sound())) == []
    assert violations(made_again("dlv-x", 3, resent={"dlv-x": "dlv-up-3"})(sound())) == []
    assert violations(with_edit(asked=2, answered=2.9, arrived_new=(3, 4, 5))(sound())) == []


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
