"""Sequences of submitting, failing, editing, disabling, crashing …: the daemon matches a model of the contract.

First those that are known to be delicate, step by step; then random ones.
"""

from collections.abc import Sequence
from contextlib import closing
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.state_machine import TYPES, WebhooksMachine

EXAMPLES = 15
STEPS = 25

Step = tuple[str, *tuple[object, ...]]
SUBMIT: Step = ("submit", TYPES[0], 2)
SLOW_FAILURE: Step = ("receiver_changes", "a", (500, 0.7019))
FAILURE: Step = ("receiver_changes", "a", (500, 0))
SLOW_SUCCESS: Step = ("receiver_changes", "a", (200, 0.7019))
SHORT: Step = ("wait", 0.3137)
LONG: Step = ("wait", 71.0519)
HOLD: Step = ("hold_large_submissions",)
PIECE: Step = ("make_a_piece",)
RECOVER: Step = ("recover", "a")
RESEND_FIRST: Step = ("resend", "a", SimpleNamespace(draw=lambda _places: 0))
GO_ON: Step = ("go_on_with_large_submissions",)
HANG: Step = ("wait_while_the_disk_hangs", 2.9113)
CRASH_IN_HANG: Step = ("crash_while_the_disk_hangs", 2.9113)

PAUSE: Step = ("pause", "a", None)
PAUSE_A_WHILE: Step = ("pause", "a", 5.5077)
RESUME: Step = ("resume", "a")

SCENARIOS: dict[str, Sequence[Step]] = {
    "paused while an attempt is under way that fails, then resumed": (
        *(SLOW_FAILURE, SUBMIT, PAUSE, SUBMIT, LONG, RESUME, LONG),
    ),
    "paused and resumed in a back-off": (FAILURE, SUBMIT, SHORT, PAUSE, SHORT, RESUME, LONG),
    "paused in a back-off, resent and crashed, and resuming by itself": (
        *(FAILURE, SUBMIT, PAUSE_A_WHILE, RESEND_FIRST, SUBMIT, ("crash_and_restart",), LONG),
    ),
    "disabled and enabled while paused": (SUBMIT, PAUSE, SUBMIT, ("disable", "a"), ("enable", "a"), SUBMIT, LONG),
    "paused before its large submission is made": (
        HOLD,
        PAUSE_A_WHILE,
        ("submit", TYPES[0], 3),
        PIECE,
        LONG,
        GO_ON,
        LONG,
    ),
    "disabled while an attempt is under way that fails": (SLOW_FAILURE, SUBMIT, ("disable", "a"), LONG),
    "deleted while an attempt is under way that fails": (SLOW_FAILURE, SUBMIT, ("delete", "a"), LONG),
    "disabled while an attempt is under way that succeeds": (SLOW_SUCCESS, SUBMIT, ("disable", "a"), LONG),
    "disabled and enabled while an attempt is under way": (
        *(SLOW_FAILURE, SUBMIT, ("disable", "a"), ("enable", "a"), LONG),
    ),
    "disabled during a back-off": (FAILURE, SUBMIT, SHORT, ("disable", "a"), LONG),
    "a crash while an attempt is under way": (SLOW_FAILURE, SUBMIT, SHORT, ("crash_and_restart",), LONG),
    "a crash during each back-off": (
        *(FAILURE, SUBMIT, SHORT, ("crash_and_restart",), ("wait", 1.3771), ("crash_and_restart",)),
        *(("wait", 2.9113), ("crash_and_restart",), LONG),
    ),
    "a crash after disabling, with an attempt under way": (
        *(SLOW_FAILURE, SUBMIT, ("disable", "a"), ("crash_and_restart",), LONG),
    ),
    "disabled by its failures, then enabled and recovered": (
        *(FAILURE, SUBMIT, SUBMIT, SUBMIT, LONG, ("enable", "a"), SLOW_SUCCESS, ("recover", "a"), LONG),
    ),
    "a success between failures": (
        *(FAILURE, SUBMIT, LONG, ("receiver_changes", "a", (200, 0)), SUBMIT, LONG, FAILURE, SUBMIT, LONG),
    ),
    "disabled, enabled and deleted while pieces are made": (
        *(HOLD, SUBMIT, SUBMIT, PIECE, ("disable", "a"), ("enable", "a"), SUBMIT, PIECE, ("delete", "a"), SUBMIT),
        *(PIECE, GO_ON, LONG),
    ),
    "a crash before the first piece and between pieces, then a small submission": (
        *(HOLD, SUBMIT, ("crash_and_restart",), PIECE, ("crash_and_restart",), ("submit", TYPES[0], 1), PIECE, SHORT),
        *(PIECE, ("crash_and_restart",), PIECE, PIECE, GO_ON, LONG),
    ),
    "disabled by its failures between pieces, enabled, then recovered": (
        *(FAILURE, SUBMIT, SUBMIT, HOLD, SUBMIT, SUBMIT, PIECE, LONG, PIECE, ("enable", "a"), SLOW_SUCCESS, SUBMIT),
        *(GO_ON, ("recover", "a"), LONG),
    ),
    "recovered between pieces, with a later submission to come": (
        *(HOLD, SUBMIT, SUBMIT, PIECE, ("disable", "a"), ("enable", "a"), RECOVER, PIECE, SUBMIT, PIECE, PIECE, PIECE),
        *(PIECE, PIECE, SHORT, RECOVER, GO_ON, LONG),
    ),
    "recovered between pieces, and disabled or deleted before the last": (
        *(HOLD, SUBMIT, PIECE, RECOVER, ("recover", "b"), ("recover", "c"), ("disable", "a"), ("delete", "b"), PIECE),
        *(PIECE, GO_ON, LONG),
    ),
    "recovered between pieces, which do not come in time, or only after a crash": (
        *(HOLD, SUBMIT, PIECE, RECOVER, LONG, RECOVER, SHORT, ("crash_and_restart",), LONG, PIECE, GO_ON, LONG),
    ),
    "resent between pieces": (*(HOLD, SUBMIT, PIECE, RESEND_FIRST, PIECE, RESEND_FIRST, GO_ON, LONG),),
    "a hanging disk, with more to send than may be on its way to it": (
        *(SLOW_SUCCESS, SUBMIT, SUBMIT, SUBMIT, HANG, ("disable", "a"), LONG),
    ),
    "a failure, a retry and a success that resets the counter, while the disk hangs": (
        *(SLOW_SUCCESS, SUBMIT, SUBMIT, ("wait", 0.3137), HANG, SLOW_FAILURE, SUBMIT, HANG, LONG),
        *(SUBMIT, SLOW_SUCCESS, HANG, HANG, LONG),
    ),
    "a crash while the disk hangs, then the same again": (
        *(SLOW_SUCCESS, SUBMIT, SUBMIT, SUBMIT, CRASH_IN_HANG, CRASH_IN_HANG, SLOW_FAILURE, HANG, CRASH_IN_HANG, LONG),
    ),
    "a change of subscriptions with deliveries waiting": (
        *(SLOW_SUCCESS, SUBMIT, ("edit", "a", (TYPES[1],)), SUBMIT, ("submit", TYPES[1], 1), LONG),
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_delicate_sequence_matches_the_model_of_the_contract(name: str) -> None:
    with closing(_Played()) as machine:
        machine.begin((("*",),) * 3, ((200, 0),) * 3)
        for method, *arguments in SCENARIOS[name]:
            getattr(machine, method)(*arguments)
            machine.the_daemon_is_as_the_model_says()


class _Played(WebhooksMachine):
    def close(self) -> None:
        self.teardown()


@pytest.mark.fault(
    "Random sequences of submit, fan out, fail, succeed, edit, disable, enable, delete, resend, recover and crash,"
    " with a disk that hangs at times",
    "Deliveries, attempts, order, counters, credits and mails are at every step as a model of the contract says",
)
def test_random_sequences_match_the_model_of_the_contract() -> None:
    run_state_machine_as_test(
        WebhooksMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate,),  # what it finds is shown as it is: shrinking it takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
