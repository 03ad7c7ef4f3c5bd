"""One attempt: build the request, send it, return the outcome (contract "An attempt"). No SQL, no retry decision."""

from dataclasses import replace

import httpx
import trio

from daemon.crypto.signing import Secrets
from daemon.delivery.delivery_request import UNSIGNED, build_post
from daemon.delivery.outcome import MAX_KEPT_BODY_BYTES, detail_of, failure_of, outcome_of, timed_out, transport_failure
from daemon.delivery.own_headers import Headers
from daemon.domain.model import Outcome, Webhook, Work
from daemon.egress.errors import DeadlinePassed
from daemon.egress.response import Response
from daemon.egress.transport import Transport


async def make_attempt(
    transport: Transport,
    webhook: Webhook,
    work: Work,
    number: int,
    *,
    timeout_s: float,
    timestamp_s: int,
    secrets: Secrets = UNSIGNED,
    own_headers: Headers = (),
) -> Outcome:
    """Make attempt `number` (from 1) of a delivery and return its outcome; raises nothing but Cancelled.

    `secrets` are the webhook's, decrypted: they sign this attempt. `timestamp_s` is when it began (Unix seconds).
    `own_headers` are sent with it.

    One deadline of `timeout_s` seconds covers everything: DNS, connect, TLS, sending, the response's head and the
    first 4 KiB of its body. A response counts when it is complete or those 4 KiB are full. An exception that is not
    httpx's is a bug in our own code and propagates, so that supervision sees it.
    """
    started, response, detail = trio.current_time(), Response(MAX_KEPT_BODY_BYTES), None
    try:
        post = build_post(
            webhook, work, number=number, timestamp_s=timestamp_s, secrets=secrets, own_headers=own_headers
        )
        await transport.send(post, response, started + timeout_s)
        failure = failure_of(response)
    except DeadlinePassed:
        failure = timed_out(response, timeout_s)
    except httpx.TransportError as error:
        failure, detail = transport_failure(error), detail_of(error)
    outcome = outcome_of(response, failure, round((trio.current_time() - started) * 1000))
    return outcome if detail is None else replace(outcome, detail=detail)
