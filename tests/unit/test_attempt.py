import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
import trio
from standardwebhooks.webhooks import Webhook as StandardWebhook
from trio.testing import MockClock

from daemon import __version__
from daemon.crypto.signing import Secrets, generate_secret
from daemon.delivery.attempt import make_attempt
from daemon.delivery.delivery_request import UNSIGNED
from daemon.domain.model import Outcome, OutcomeKind, Webhook, Work
from daemon.egress.errors import BlockedAddress, DnsError, NoLookupSlot, NotConnected, OutOfDescriptors, TlsError
from tests.support.mock_transport import MockTransport

BODY = b'{"event":"linkedin.message.sent","teamId":"team_1","timestamp":"2025-07-15T10:29:58.412Z","data":{}}'
NOW_MS = 1_752_575_398_412

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


def webhook(url: str = "https://hooks.example.com:8443/a?b=c") -> Webhook:
    return Webhook(
        id="wh_1",
        team_id="team_1",
        name="CRM",
        url=url,
        secret=None,
        events=("*",),
        created_at=NOW_MS,
        updated_at=NOW_MS,
    )


def work(test: bool = False) -> Work:
    return Work(1, "dlv_1", "evt_1", "linkedin.message.sent", BODY, created_at=0, test=test)


async def attempt(
    answer: Handler | httpx.Response | Exception,
    hook: Webhook | None = None,
    delivery: Work | None = None,
    now_ms: int = NOW_MS,
    number: int = 1,
    secrets: Secrets = UNSIGNED,
) -> Outcome:
    async def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else await answer(request)

    return await make_attempt(
        MockTransport(handle),
        hook or webhook(),
        delivery or work(),
        number,
        timeout_s=10,
        timestamp_s=now_ms // 1000,
        secrets=secrets,
    )


async def request_of(
    hook: Webhook, delivery: Work | None = None, now_ms: int = NOW_MS, number: int = 1, secrets: Secrets = UNSIGNED
) -> httpx.Request:
    seen = []

    async def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    await attempt(handle, hook, delivery, now_ms, number, secrets)
    return seen[0]


class Stream(httpx.AsyncByteStream):
    """A body that a test writes as an async generator; remembers whether it was closed."""

    def __init__(self, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        self._pieces = pieces
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def aclose(self) -> None:
        self.closed = True


async def test_the_request_has_the_promised_headers_and_the_stored_bytes() -> None:
    request = await request_of(webhook(), number=3)
    assert (request.method, str(request.url)) == ("POST", "https://hooks.example.com:8443/a?b=c")
    assert request.content == BODY
    assert request.headers.raw == [
        (b"Host", b"hooks.example.com:8443"),
        (b"Content-Length", b"%d" % len(BODY)),
        (b"Content-Type", b"application/json"),
        (b"User-Agent", b"kakiyo-webhooks/" + __version__.encode()),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", b"identity"),
        (b"webhook-id", b"dlv_1"),
        (b"webhook-timestamp", b"1752575398"),
        (b"X-Kakiyo-Event", b"linkedin.message.sent"),
        (b"X-Kakiyo-Delivery", b"dlv_1"),
        (b"X-Kakiyo-Attempt", b"3"),
    ]


async def test_a_published_library_verifies_the_request_that_is_sent() -> None:
    secret = generate_secret()
    request = await request_of(webhook(), now_ms=int(time.time() * 1000), secrets=Secrets(secret))
    StandardWebhook(secret).verify(request.content, dict(request.headers))
    assert "x-kakiyo-signature" in request.headers


async def test_only_a_test_delivery_says_that_it_is_one() -> None:
    assert (await request_of(webhook(), work(test=True))).headers["X-Kakiyo-Test"] == "true"
    assert "X-Kakiyo-Test" not in (await request_of(webhook())).headers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_a_success(status: int) -> None:
    outcome = await attempt(httpx.Response(status, headers={"X-Answer": "yes"}, content=b"thanks"))
    assert (outcome.kind, outcome.status, outcome.error) == (OutcomeKind.DELIVERED, status, None)
    assert outcome.body == b"thanks"
    assert ("X-Answer", "yes") in outcome.headers


@pytest.mark.parametrize("status", [101, 300, 301, 302, 307, 400, 401, 404, 410, 429, 500, 503, 999])
async def test_any_other_status_is_a_failure_and_is_named(status: int) -> None:
    outcome = await attempt(httpx.Response(status, content=b"no"))
    assert (outcome.kind, outcome.status) == (OutcomeKind.HTTP_ERROR, status)
    assert (outcome.error, outcome.body) == (f"the receiver answered {status}", b"no")


async def test_a_redirect_is_a_failure_that_says_so() -> None:
    outcome = await attempt(httpx.Response(307, headers={"Location": "https://elsewhere.example/"}))
    assert outcome.kind is OutcomeKind.HTTP_ERROR
    assert outcome.error == "the receiver answered 307, and redirects are not followed"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BlockedAddress("sentence"), OutcomeKind.BLOCKED_ADDRESS),
        (DnsError("sentence"), OutcomeKind.DNS_ERROR),
        (TlsError("sentence"), OutcomeKind.TLS_ERROR),
        (OutOfDescriptors("sentence"), OutcomeKind.INTERRUPTED),
        (NoLookupSlot("sentence"), OutcomeKind.INTERRUPTED),
        (httpx.ConnectError("sentence"), OutcomeKind.CONNECT_ERROR),
        (httpx.ReadError("sentence"), OutcomeKind.PROTOCOL_ERROR),
        (httpx.WriteError("sentence"), OutcomeKind.PROTOCOL_ERROR),
        (httpx.RemoteProtocolError("sentence"), OutcomeKind.PROTOCOL_ERROR),
        (httpx.ReadTimeout("sentence"), OutcomeKind.TIMEOUT),
    ],
)
async def test_an_error_of_the_transport_is_an_outcome_of_its_kind(error: Exception, kind: OutcomeKind) -> None:
    outcome = await attempt(error)
    assert outcome == Outcome(kind, outcome.duration_ms, error="sentence")


async def test_what_only_the_operator_may_know_is_in_the_outcome_but_not_in_its_error() -> None:
    outcome = await attempt(NotConnected("sentence", "10.1.2.3: connection refused"))
    assert (outcome.error, outcome.detail) == ("sentence", "10.1.2.3: connection refused")


async def test_a_mistake_in_our_own_code_comes_out() -> None:
    with pytest.raises(ZeroDivisionError):
        await attempt(ZeroDivisionError())


async def test_silence_is_a_timeout_after_exactly_10_seconds(autojump_clock: MockClock) -> None:
    async def silent(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()

    outcome = await attempt(silent)
    assert (outcome.kind, outcome.duration_ms, outcome.status) == (OutcomeKind.TIMEOUT, 10_000, None)
    assert outcome.error == "no response within 10 s (stopped while waiting for the response)"


async def test_an_answer_just_before_the_deadline_is_a_success_and_its_latency_is_measured(
    autojump_clock: MockClock,
) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await trio.sleep(9.999)
        return httpx.Response(200)

    outcome = await attempt(slow)
    assert (outcome.kind, outcome.duration_ms) == (OutcomeKind.DELIVERED, 9_999)


async def test_a_body_that_drips_does_not_extend_the_deadline(autojump_clock: MockClock) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            await trio.sleep(0.75)
            yield b"x"

    stream = Stream(drip)
    outcome = await attempt(httpx.Response(200, stream=stream))
    assert (outcome.kind, outcome.duration_ms, outcome.status) == (OutcomeKind.TIMEOUT, 10_000, 200)
    assert outcome.error == "the receiver answered 200 but did not finish its response within 10 s"
    assert outcome.body == b"x" * 13
    assert stream.closed


async def test_one_deadline_holds_for_head_and_body_together(autojump_clock: MockClock) -> None:
    async def slow_body() -> AsyncIterator[bytes]:
        await trio.sleep(5.001)
        yield b"late"

    async def slow_head(request: httpx.Request) -> httpx.Response:
        await trio.sleep(5)
        return httpx.Response(200, stream=Stream(slow_body))

    outcome = await attempt(slow_head)
    assert (outcome.kind, outcome.duration_ms, outcome.body) == (OutcomeKind.TIMEOUT, 10_000, b"")


async def test_a_success_whose_kept_part_is_full_need_not_end(autojump_clock: MockClock) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await trio.lowlevel.checkpoint()

    stream = Stream(endless)
    outcome = await attempt(httpx.Response(200, stream=stream))
    assert (outcome.kind, outcome.body) == (OutcomeKind.DELIVERED, b"x" * 4096)
    assert stream.closed


async def test_a_success_that_is_cut_short_within_the_kept_part_is_a_failure_that_keeps_what_came() -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b"half"
        raise httpx.RemoteProtocolError("the receiver closed the connection before its response was complete")

    stream = Stream(cut)
    outcome = await attempt(httpx.Response(200, stream=stream))
    assert (outcome.kind, outcome.status, outcome.body) == (OutcomeKind.PROTOCOL_ERROR, 200, b"half")
    assert outcome.error == "the receiver closed the connection before its response was complete"
    assert stream.closed


async def test_the_body_is_kept_as_it_came_and_a_compressed_bomb_stays_small() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    outcome = await attempt(httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(bomb)))
    assert outcome.body == bomb[:4096]


async def test_kept_headers_are_bounded_in_number_and_size_and_need_not_be_utf_8() -> None:
    many = await attempt(httpx.Response(200, headers=[(f"X-{number}", "v") for number in range(80)]))
    assert len(many.headers) == 50
    large = await attempt(httpx.Response(200, headers=[(f"X-{number}", "v" * 3000) for number in range(5)]))
    assert [name for name, _ in large.headers] == ["X-0", "X-1"]
    one = await attempt(httpx.Response(200, headers=[("First", "1"), ("Large", "v" * 9000), ("Last", "2")]))
    assert one.headers == (("First", "1"), ("Last", "2"))
    odd = await attempt(httpx.Response(200, headers=[(b"X-Odd", b"gr\xfc\xdf"), (b"X-Even", "grüß".encode())]))
    assert odd.headers[:2] == (("X-Odd", "gr\ufffd\ufffd"), ("X-Even", "grüß"))


async def test_a_cancel_from_outside_is_no_outcome(autojump_clock: MockClock) -> None:
    async def silent(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()

    outcomes = []
    with trio.move_on_after(3) as shutdown:
        outcomes.append(await attempt(silent))
    assert shutdown.cancelled_caught
    assert outcomes == []
