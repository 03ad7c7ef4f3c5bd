import ssl
from pathlib import Path

import httpx
import pytest
import trio

from daemon.egress.deadlines import Deadlines
from daemon.egress.errors import TlsError
from daemon.egress.tls import make_tls_context
from daemon.egress.transport import EndpointTransport
from daemon.egress.urls import EgressRules
from tests.egress.conftest import MakeTransport
from tests.egress.posting import LOOPBACK, lookups_by, post, resolving_to
from tests.support.receivers import Exchange, endless, hang_up, open_receiver, respond, response, send
from tests.support.tls import TestAuthority, self_signed_context

NAME = "hooks.example.com"
LARGE = b"x" * (4 * 1024 * 1024)


async def test_a_certificate_for_the_name_is_accepted_and_the_connection_is_kept(
    transport: EndpointTransport, authority: TestAuthority
) -> None:
    async with open_receiver(respond(200, b"ok"), tls=authority.server_context(NAME), name=NAME) as receiver:
        for _ in range(3):
            assert await post(transport, receiver.url) == (200, b"ok")
        assert receiver.connections == 1


async def test_the_name_is_sent_so_that_the_receiver_can_choose_its_certificate(
    transport: EndpointTransport, authority: TestAuthority
) -> None:
    context = authority.server_context(NAME)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with open_receiver(tls=context, name=NAME) as receiver:
        await post(transport, receiver.url)
    assert names == [NAME]


async def test_a_name_with_a_final_dot_is_verified_without_it(
    transport: EndpointTransport, authority: TestAuthority
) -> None:
    async with open_receiver(tls=authority.server_context(NAME), name=NAME + ".") as receiver:
        assert (await post(transport, receiver.url))[0] == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_certificate_for_an_address_is_verified_too(
    make_transport: MakeTransport, authority: TestAuthority, address: str
) -> None:
    transport = make_transport(resolving_to(address))
    async with open_receiver(tls=authority.server_context(address), host=address) as receiver:
        assert (await post(transport, receiver.url))[0] == 200
    async with open_receiver(tls=authority.server_context("127.0.0.9", "::9"), host=address) as receiver:
        with pytest.raises(TlsError, match="the certificate is not valid for"):
            await post(transport, receiver.url)


async def test_a_certificate_for_another_name_is_refused(
    transport: EndpointTransport, authority: TestAuthority
) -> None:
    async with open_receiver(tls=authority.server_context("other.example.com"), name=NAME) as receiver:
        with pytest.raises(TlsError, match=r"^the certificate is not valid for hooks\.example\.com \(.*mismatch"):
            await post(transport, receiver.url)
        await receiver.disconnected()
        assert (receiver.failed_handshakes, receiver.requests) == (1, [])


async def test_an_expired_certificate_is_refused(transport: EndpointTransport, authority: TestAuthority) -> None:
    async with open_receiver(tls=authority.server_context(NAME, expired=True), name=NAME) as receiver:
        with pytest.raises(TlsError, match=r"not valid for hooks\.example\.com \(certificate has expired\)"):
            await post(transport, receiver.url)
        assert receiver.requests == []


async def test_a_self_signed_certificate_is_refused(transport: EndpointTransport, tmp_path: Path) -> None:
    async with open_receiver(tls=self_signed_context(NAME, tmp_path), name=NAME) as receiver:
        with pytest.raises(TlsError, match="self-signed certificate"):
            await post(transport, receiver.url)
        assert receiver.requests == []


async def test_an_authority_that_is_not_trusted_is_refused(authority: TestAuthority) -> None:
    strangers = EndpointTransport(
        LOOPBACK, lookups_by(resolving_to("127.0.0.1")), make_tls_context(), deadlines=Deadlines()
    )
    async with open_receiver(tls=authority.server_context(NAME), name=NAME) as receiver:
        with pytest.raises(TlsError, match="unable to get local issuer certificate"):
            await post(strangers, receiver.url)
        assert receiver.requests == []


async def test_a_port_that_speaks_no_tls_is_a_tls_error(transport: EndpointTransport) -> None:
    async def plain_http(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, plain_http, [listener])
        with pytest.raises(TlsError, match="does not speak TLS on this port"):
            await post(transport, f"https://{NAME}:{listener.socket.getsockname()[1]}/")
        nursery.cancel_scope.cancel()


async def test_old_tls_is_refused(transport: EndpointTransport, authority: TestAuthority) -> None:
    old = authority.server_context(NAME)
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with open_receiver(tls=old, name=NAME) as receiver:
        with pytest.raises(TlsError, match="TLS handshake"):
            await post(transport, receiver.url)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_carry_large_requests_and_responses(
    transport: EndpointTransport, authority: TestAuthority, version: ssl.TLSVersion
) -> None:
    context = authority.server_context(NAME)
    context.minimum_version = context.maximum_version = version
    async with open_receiver(respond(200, LARGE), tls=context, name=NAME) as receiver:
        for number in range(2):
            assert await post(transport, receiver.url, LARGE, keep=len(LARGE)) == (200, LARGE)
            assert receiver.requests[number].body == LARGE
        assert receiver.connections == 1


async def test_an_early_refusal_under_tls_is_reported(transport: EndpointTransport, authority: TestAuthority) -> None:
    answer = send(response(413), then_close=True)
    async with open_receiver(answer, tls=authority.server_context(NAME), name=NAME) as receiver:
        receiver.reads_body = False
        assert (await post(transport, receiver.url, LARGE))[0] == 413


async def test_bytes_after_a_response_under_tls_end_the_connection(
    transport: EndpointTransport, authority: TestAuthority
) -> None:
    sent = trio.Semaphore(0)

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response(200))
        await exchange.send(response(500))
        sent.release()

    async with open_receiver(answer, tls=authority.server_context(NAME), name=NAME) as receiver:
        for _ in range(3):
            assert (await post(transport, receiver.url))[0] == 200
            await sent.acquire()
        assert receiver.connections == 3


async def test_a_connection_closed_while_idle_under_tls_is_replaced(
    transport: EndpointTransport, authority: TestAuthority
) -> None:
    async with open_receiver(tls=authority.server_context(NAME), name=NAME) as receiver:
        await post(transport, receiver.url)
        receiver.disconnect()
        await receiver.disconnected()
        assert (await post(transport, receiver.url))[0] == 200


async def test_a_body_without_end_under_tls_is_left_when_the_kept_part_is_full(
    transport: EndpointTransport, authority: TestAuthority
) -> None:
    answer = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096)
    async with open_receiver(answer, tls=authority.server_context(NAME), name=NAME) as receiver:
        assert await post(transport, receiver.url) == (200, b"x" * 4096)
        await receiver.disconnected()


async def test_a_receiver_that_hangs_up_under_tls_is_an_error_and_nothing_else(
    transport: EndpointTransport, authority: TestAuthority
) -> None:
    async with open_receiver(hang_up(), tls=authority.server_context(NAME), name=NAME) as receiver:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await post(transport, receiver.url)


def test_the_context_verifies_and_speaks_only_http_1_1_over_modern_tls(authority: TestAuthority) -> None:
    context = make_tls_context(authority.ca_file)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.keylog_filename is None


def test_a_ca_file_adds_to_the_trusted_authorities_and_replaces_none(authority: TestAuthority) -> None:
    plain = make_tls_context().cert_store_stats()["x509_ca"]
    assert plain > 0
    assert make_tls_context(authority.ca_file).cert_store_stats()["x509_ca"] == plain + 1


def test_a_ca_file_that_is_missing_or_no_certificate_is_an_error(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(OSError):
        make_tls_context(tmp_path / "missing.pem")
    with pytest.raises(ssl.SSLError):
        make_tls_context(wrong)


def test_rules_are_strict_by_default() -> None:
    assert EgressRules() == EgressRules(allow_http=False, allow_networks=())
