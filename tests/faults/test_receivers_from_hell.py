"""Receivers that misbehave in every way we could think of, over real sockets (contract "An attempt", "A delivery")."""

import ssl
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from daemon.delivery.attempt import make_attempt
from daemon.domain.model import Outcome, OutcomeKind, Webhook, Work
from daemon.egress.deadlines import Deadlines
from daemon.egress.transport import EndpointTransport
from tests.e2e.deadline import ends_within
from tests.egress.posting import LOOPBACK, lookups_by, open_descriptors, resolving_to
from tests.faults.hell import FLOODING, PLAIN
from tests.faults.hell_daemon import survive, violations
from tests.faults.hell_server import HEALTHY_BODY, Certificate, Fiend, Hell, running_hell
from tests.faults.hell_tls import under_tls

RECEIVERS = (*PLAIN, *under_tls())
HANGING = [fiend for fiend in RECEIVERS if fiend.outcome is OutcomeKind.TIMEOUT]
PROMISED_S = 10
SHORT_S = 0.3  # for those that would use up any deadline
# What floods us costs work, and nobody waits: this work has to fit into the deadline, however busy the machine is.
PATIENT_S = 90
TOLERANCE_MS = 1_000  # for a machine that is busy with other tests
MEMORY = 1024 * 1024
COPIES = 3  # of the request, on its way out

Contexts = Mapping[Certificate, ssl.SSLContext]


@pytest.mark.fault(
    "A receiver hangs, drips, floods, lies about lengths, breaks off at any byte, or speaks nonsense",
    "The attempt fails under its right name within the deadline, in flat memory, and leaks no socket; "
    "the next delivery to the same receiver works",
    cases=len(RECEIVERS),
)
@pytest.mark.parametrize("fiend", [pytest.param(fiend, id=fiend.name) for fiend in RECEIVERS])
async def test_a_receiver_from_hell_costs_one_attempt_and_nothing_else(
    fiend: Fiend, server_tls: Contexts, client_tls: ssl.SSLContext
) -> None:
    descriptors = open_descriptors()
    transport = EndpointTransport(LOOPBACK, lookups_by(resolving_to("127.0.0.1")), client_tls, deadlines=Deadlines())
    async with running_hell(fiend, server_tls) as hell:
        with memory_below(MEMORY + COPIES * fiend.request_size), work_below(PROMISED_S):
            outcome = await attempt(transport, hell.url, fiend)
        hell.victim_is_gone.set()
        judge(fiend, outcome)
        await hell.misconduct_is_over.wait()
        await the_next_one_works(transport, hell)
        transport.close()
        await hell.deserted()
    assert open_descriptors() <= descriptors


@pytest.mark.fault(
    "Receivers that hang, drip or stall in every way, all at once, under the whole daemon",
    "Each attempt ends at 10 s, and none waits for another; the retries are delivered, memory is flat, no socket stays",
    cases=len(HANGING),
)
@ends_within(60)
async def test_the_daemon_keeps_its_deadlines_while_all_receivers_hang_at_once(tmp_path: Path) -> None:
    survival = await survive(tmp_path, HANGING)
    assert violations(HANGING, survival) == []


def judge(fiend: Fiend, outcome: Outcome) -> None:
    assert outcome.kind in (fiend.outcome, fiend.or_else), outcome.error
    assert outcome.status == fiend.status
    if fiend.body is not None:
        assert outcome.body == fiend.body
    assert (outcome.error is None) == outcome.delivered
    deadline_ms = 1000 * deadline_s(fiend)
    if fiend.outcome is OutcomeKind.TIMEOUT:
        assert deadline_ms <= outcome.duration_ms <= deadline_ms + TOLERANCE_MS
    else:
        assert outcome.duration_ms < deadline_ms


async def the_next_one_works(transport: EndpointTransport, hell: Hell) -> None:
    """Nothing of the first attempt may be left: no bytes on the connection, no cookie, no login, no other place."""
    outcome = await attempt(transport, hell.url)
    assert (outcome.kind, outcome.status, outcome.body) == (OutcomeKind.DELIVERED, 200, HEALTHY_BODY)
    small = [request for request in hell.requests if len(request) < 4096]
    assert len(set(small)) == 1


def deadline_s(fiend: Fiend) -> float:
    if fiend.outcome is OutcomeKind.TIMEOUT:
        return SHORT_S
    return PATIENT_S if fiend in FLOODING else PROMISED_S


async def attempt(transport: EndpointTransport, url: str, fiend: Fiend | None = None) -> Outcome:
    """Make an attempt under the fiend's deadline; one that overruns it by far fails the test."""
    webhook = Webhook(
        id="wh_1", team_id="team_1", name="CRM", url=url, secret="secret", events=("*",), created_at=0, updated_at=0
    )
    body = b"x" * (fiend.request_size if fiend else 2)
    work = Work(1, "dlv_1", "evt_1", "linkedin.message.sent", body, created_at=0)
    timeout_s = deadline_s(fiend) if fiend else PROMISED_S
    with trio.fail_after(timeout_s + 2):
        return await make_attempt(transport, webhook, work, 1, timeout_s=timeout_s, timestamp_s=0)


@contextmanager
def work_below(most_s: float) -> Iterator[None]:
    began_s = time.process_time()
    yield
    assert time.process_time() - began_s < most_s


@contextmanager
def memory_below(most: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
