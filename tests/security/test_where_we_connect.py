"""No attempt connects into the daemon's own network, whatever is stored and resolves (contract "An attempt")."""

import ssl
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.model import OutcomeKind
from daemon.egress.deadlines import Deadlines
from daemon.egress.tls import make_tls_context
from daemon.egress.transport import EndpointTransport
from daemon.egress.urls import EgressRules, check_url, parse_target
from tests.egress.posting import lookups_by
from tests.security.where_we_go_addresses import FORBIDDEN_ADDRESSES, as_url
from tests.security.where_we_go_connecting import attempt, trap
from tests.security.where_we_go_resolver import TestResolver
from tests.security.where_we_go_urls import HARMLESS, REFUSED
from tests.security.where_we_go_watch import Watch, make_watch
from tests.support.daemon import running
from tests.support.receivers import open_receiver, respond

NAME = "hooks.example.com"
BY_NAME = f"https://{NAME}/hook"
GOOD = "8.8.8.8"
STRICT = EgressRules()
# Two places on loopback stand for the receiver's public address and for what it must not lead to.
ALLOWED, NOT_ALLOWED = "127.0.0.2", "127.0.0.3"
ONLY_ALLOWED = EgressRules(allow_http=True, allow_networks=(ip_network(ALLOWED),))


@pytest.fixture
def resolver() -> TestResolver:
    return TestResolver()


@pytest.fixture(scope="session")
def watch() -> Watch:
    return make_watch()


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    return make_tls_context()


MakeTransport = Callable[..., EndpointTransport]


@pytest.fixture
async def make_transport(resolver: TestResolver, tls: ssl.SSLContext) -> AsyncIterator[MakeTransport]:
    made: list[EndpointTransport] = []

    def make(rules: EgressRules = STRICT) -> EndpointTransport:
        made.append(EndpointTransport(rules, lookups_by(resolver), tls, deadlines=Deadlines()))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


@pytest.mark.fault(
    "A stored webhook leads to an address that is not public, by itself or by its name",
    "The attempt ends as `blocked_address`; no socket is connected",
    cases=4 * len(FORBIDDEN_ADDRESSES),
)
async def test_no_address_that_is_not_public_is_connected_to(
    make_transport: MakeTransport, resolver: TestResolver, watch: Watch
) -> None:
    transport, found = make_transport(), {}
    with watch.watching():
        for address in FORBIDDEN_ADDRESSES:
            resolver.set(NAME, (address,), (GOOD, address), (address, GOOD))
            urls = (as_url(address), BY_NAME, BY_NAME, BY_NAME)
            found[address] = [(await attempt(transport, url)).kind.value for url in urls]
        assert found == {address: ["blocked_address"] * 4 for address in FORBIDDEN_ADDRESSES}
        assert (watch.connected, watch.looked_up) == ([], [])


@pytest.mark.fault(
    "A stored URL, from whatever source, breaks a rule of registration",
    "The attempt ends as `blocked_address`; no socket is connected",
    cases=len(REFUSED),
)
async def test_what_registration_refuses_is_refused_at_the_connect_too(
    make_transport: MakeTransport, resolver: TestResolver, watch: Watch
) -> None:
    transport = make_transport()
    with watch.watching():
        found = {url: (await attempt(transport, url)).kind for url in REFUSED}
        assert found == dict.fromkeys(REFUSED, OutcomeKind.BLOCKED_ADDRESS)
        assert (resolver.asked, watch.connected, watch.looked_up) == ([], [], [])


async def test_what_looks_like_a_trick_is_looked_up_as_what_it_is(
    make_transport: MakeTransport, resolver: TestResolver, watch: Watch
) -> None:
    with watch.watching():
        for url, place in HARMLESS.items():
            assert (await attempt(make_transport(), url)).kind is OutcomeKind.DNS_ERROR
            assert resolver.asked.pop()[0] == place[0]
            assert place == (parse_target(url).host, parse_target(url).port)
        assert (watch.connected, watch.looked_up) == ([], [])


@pytest.mark.fault(
    "A name changes its address between the check and the connect (DNS rebinding)",
    "The address that was judged is the one connected to: the name is looked up once",
)
async def test_the_judged_address_is_the_one_connected_to(
    make_transport: MakeTransport, resolver: TestResolver, watch: Watch
) -> None:
    async with open_receiver(host=ALLOWED, name=NAME) as receiver, trap(NOT_ALLOWED, receiver.port) as trapped:
        resolver.set(NAME, (ALLOWED,), (NOT_ALLOWED,))
        with watch.watching():
            outcome = await attempt(make_transport(ONLY_ALLOWED), receiver.url)
            assert outcome.kind is OutcomeKind.DELIVERED
            assert (watch.connected, watch.looked_up) == ([(ALLOWED, receiver.port)], [])
        assert [name for name, _ in resolver.asked] == [NAME]
        assert receiver.requests[0].header("host") == f"{NAME}:{receiver.port}"
        assert trapped == []


@pytest.mark.fault(
    "A name changes to an address that is not public after its registration",
    "The next connect ends as `blocked_address`; an open connection stays with the address that was judged",
)
async def test_a_name_that_turned_bad_is_blocked_at_the_next_connect(
    make_transport: MakeTransport, resolver: TestResolver, watch: Watch
) -> None:
    async with open_receiver(host=ALLOWED, name=NAME) as receiver, trap(NOT_ALLOWED, receiver.port) as trapped:
        resolver.set(NAME, (ALLOWED,), (NOT_ALLOWED,))
        transport = make_transport(ONLY_ALLOWED)
        assert (await attempt(transport, receiver.url)).delivered
        with watch.watching():
            assert (await attempt(transport, receiver.url)).delivered
            receiver.disconnect()
            await receiver.disconnected()
            assert (await attempt(transport, receiver.url)).kind is OutcomeKind.BLOCKED_ADDRESS
            assert watch.connected == []
        assert trapped == []


@pytest.mark.fault(
    "A receiver sends the daemon elsewhere: redirects, Refresh, Alt-Svc, Link, Content-Location",
    "Nothing is followed; the only connection is the receiver's",
)
@pytest.mark.parametrize("status", [200, 201, 300, 301, 302, 303, 305, 307, 308, 503])
async def test_nothing_that_a_receiver_says_leads_elsewhere(
    make_transport: MakeTransport, resolver: TestResolver, watch: Watch, status: int
) -> None:
    async with open_receiver(host=ALLOWED, name=NAME) as receiver, trap(NOT_ALLOWED, receiver.port) as trapped:
        resolver.set(NAME, (ALLOWED,))
        elsewhere = f"http://{NOT_ALLOWED}:{receiver.port}/"
        headers = [(name, elsewhere) for name in ("Location", "Content-Location")]
        headers += [("Refresh", f"0;url={elsewhere}"), ("Link", f"<{elsewhere}>; rel=preload")]
        headers += [("Alt-Svc", f'http/1.1="{NOT_ALLOWED}:{receiver.port}"')]
        receiver.answer = respond(status, headers=headers)
        transport = make_transport(ONLY_ALLOWED)
        with watch.watching():
            outcomes = [await attempt(transport, receiver.url) for _ in range(2)]
            assert watch.connected == [(ALLOWED, receiver.port)]
        kind = OutcomeKind.DELIVERED if status < 300 else OutcomeKind.HTTP_ERROR
        assert [(outcome.kind, outcome.status) for outcome in outcomes] == [(kind, status)] * 2
        assert len(receiver.requests) == 2
        assert trapped == []


@pytest.mark.fault(
    "The environment names a proxy (HTTP_PROXY, ALL_PROXY)", "It is not used: no delivery goes past the address rules"
)
async def test_a_proxy_of_the_environment_is_not_used(
    make_transport: MakeTransport, resolver: TestResolver, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_receiver(host=ALLOWED, name=NAME) as receiver, trap(NOT_ALLOWED, receiver.port) as trapped:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{NOT_ALLOWED}:{receiver.port}")
        resolver.set(NAME, (ALLOWED,))
        with watch.watching():
            assert (await attempt(make_transport(ONLY_ALLOWED), receiver.url)).delivered
            assert watch.connected == [(ALLOWED, receiver.port)]
        assert trapped == []


@pytest.mark.fault(
    "A registered webhook's name turns to a metadata service, under the whole daemon",
    "Each of its attempts ends as `blocked_address`, and the webhook is disabled like any that fails",
)
async def test_the_whole_daemon_never_connects_to_what_a_name_turned_into(
    tmp_path: Path, autojump_clock: MockClock, resolver: TestResolver, tls: ssl.SSLContext, watch: Watch
) -> None:
    resolver.set(NAME, (GOOD,), ("169.254.169.254",))
    await check_url(BY_NAME, STRICT, resolver)
    async with running(
        tmp_path, transport=lambda: EndpointTransport(STRICT, lookups_by(resolver), tls, deadlines=Deadlines())
    ) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, BY_NAME)
        with watch.watching():
            await daemon.submit(team, 1, 2, 3, 4)
            await trio.sleep(60)
            assert watch.connected == []
        assert await daemon.statuses(webhook) == ["failed"] * 4
        attempts = [one for delivery in await daemon.deliveries(webhook) for one in await daemon.attempts(delivery)]
        assert [one.outcome.kind for one in attempts] == [OutcomeKind.BLOCKED_ADDRESS] * 16
        assert not (await daemon.current(webhook)).active
