"""Client certificates and authorities of a webhook's own, over real TLS (contract "Options of a webhook")."""

import errno
import re
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from daemon.egress.client_tls import ClientTls, TlsContexts, own_tls_context
from daemon.egress.errors import OutOfDescriptors, TlsError
from daemon.egress.operator_proxy import OperatorProxy
from daemon.egress.proxy import Proxy, ProxyScheme
from daemon.egress.transport import EndpointTransport
from daemon.egress.way import USUAL_WAY, Way
from tests.egress.conftest import MakeTransport
from tests.egress.posting import open_descriptors, post, resolving_to
from tests.egress.proxies import HOST, open_real_proxy, open_scripted_proxy, relay_connect
from tests.support.receivers import Receiver, open_receiver
from tests.support.tls import TestAuthority

NAME = "hooks.example.com"


@pytest.fixture(scope="module")
def clients() -> trustme.CA:
    """The authority that the receiver trusts for its clients."""
    return trustme.CA()


def identity(authority: trustme.CA, **others: str) -> ClientTls:
    leaf = authority.issue_cert("client@example.com")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems).decode()
    return ClientTls(certificate=chain, private_key=leaf.private_key_pem.bytes().decode(), **others)


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def receiver(
    request: pytest.FixtureRequest, authority: TestAuthority, clients: trustme.CA
) -> AsyncIterator[Receiver]:
    """A receiver that wants a client certificate."""
    context = authority.server_context(NAME)
    context.verify_mode = ssl.CERT_REQUIRED
    clients.configure_trust(context)
    context.minimum_version = context.maximum_version = request.param
    async with open_receiver(tls=context, name=NAME) as receiver:
        yield receiver


def own_authority(authority: TestAuthority) -> str:
    return authority.ca_file.read_text()


async def test_a_receiver_that_asks_for_a_certificate_is_shown_the_webhooks_own(
    transport: EndpointTransport, receiver: Receiver, authority: TestAuthority, clients: trustme.CA
) -> None:
    transport.go_by(Way(tls=identity(clients, authorities=own_authority(authority))))
    for _ in range(2):
        assert (await post(transport, receiver.url))[0] == 200
    assert receiver.connections == 1


async def test_it_is_shown_through_a_proxy_too(
    transport: EndpointTransport, receiver: Receiver, authority: TestAuthority, clients: trustme.CA
) -> None:
    async with open_scripted_proxy(relay_connect) as scripted:
        own = identity(clients, authorities=own_authority(authority))
        transport.go_by(Way(tls=own, proxy=Proxy("http", HOST, scripted.port)))
        assert (await post(transport, receiver.url))[0] == 200
        assert len(scripted.visits) == 1
        transport.close()


@pytest.mark.parametrize("whose", ["the webhook's", "the operator's"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_it_is_shown_through_real_proxies_of_both_kinds(
    make_transport: MakeTransport,
    receiver: Receiver,
    authority: TestAuthority,
    clients: trustme.CA,
    tmp_path: Path,
    scheme: ProxyScheme,
    whose: str,
) -> None:
    own = identity(clients, authorities=own_authority(authority))
    async with open_real_proxy(scheme, tmp_path) as proxy:
        if whose == "the operator's":
            operators = OperatorProxy(replace(proxy, is_operators=True))
            transport, way = make_transport(resolving_to(HOST), proxy=operators), Way(tls=own)
        else:
            transport, way = make_transport(resolving_to(HOST)), Way(tls=own, proxy=proxy)
        transport.go_by(way)
        assert (await post(transport, receiver.url))[0] == 200
        transport.close()


async def test_webhooks_with_different_certificates_share_no_connection(
    make_transport: MakeTransport, receiver: Receiver, authority: TestAuthority, clients: trustme.CA
) -> None:
    transports = [make_transport(resolving_to(HOST)) for _ in range(2)]
    for transport in transports:
        transport.go_by(Way(tls=identity(clients, authorities=own_authority(authority))))
    for transport in (*transports, *transports):
        assert (await post(transport, receiver.url))[0] == 200
    assert receiver.connections == 2


def refuse_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Refuse the client of the next connection with an alert, as OpenSSL does; Trio's streams send none."""
    connection, _ = listener.accept()
    with connection, context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as wrapped:
        with pytest.raises(ssl.SSLError):
            wrapped.do_handshake()
        raw = socket.socket(fileno=wrapped.detach())
    with raw:
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(4096):
            pass


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("shows", "sentence"),
    [
        (True, "the receiver refuses the webhook's client certificate (unknown ca)"),
        (False, "the receiver wants a client certificate, and the webhook has none (certificate required)"),
    ],
)
async def test_a_receiver_that_refuses_the_certificate_or_misses_one_is_told(
    transport: EndpointTransport, authority: TestAuthority, version: ssl.TLSVersion, shows: bool, sentence: str
) -> None:
    context = authority.server_context(NAME)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    if shows:
        transport.go_by(Way(tls=identity(trustme.CA(), authorities=own_authority(authority))))
    elif version is ssl.TLSVersion.TLSv1_2:
        sentence = sentence.replace("certificate required", "handshake failure")
    with socket.create_server((HOST, 0)) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, refuse_one, listener, context)
            with pytest.raises(TlsError, match=f"^{re.escape(sentence)}$"):
                await post(transport, f"https://{NAME}:{listener.getsockname()[1]}/")


async def test_a_change_of_the_certificate_closes_the_kept_connection(
    transport: EndpointTransport, receiver: Receiver, authority: TestAuthority, clients: trustme.CA
) -> None:
    own = identity(clients, authorities=own_authority(authority))
    for tls in (own, replace(own), identity(clients, authorities=own_authority(authority))):
        transport.go_by(Way(tls=tls))
        assert (await post(transport, receiver.url))[0] == 200
    assert receiver.connections == 2


async def test_own_authorities_stand_in_for_all_others(
    transport: EndpointTransport, authority: TestAuthority, clients: trustme.CA
) -> None:
    strangers = clients.cert_pem.bytes().decode()
    async with open_receiver(tls=authority.server_context(NAME), name=NAME) as receiver:
        transport.go_by(Way(tls=ClientTls(authorities=strangers)))
        with pytest.raises(TlsError, match=r"is not valid for hooks\.example\.com by the webhook's own CAs"):
            await post(transport, receiver.url)
        transport.go_by(USUAL_WAY)
        assert (await post(transport, receiver.url))[0] == 200
        transport.go_by(Way(tls=ClientTls(authorities=own_authority(authority))))
        assert (await post(transport, receiver.url))[0] == 200


async def test_an_authority_below_another_is_enough(transport: EndpointTransport) -> None:
    middle = trustme.CA().create_child_ca()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    middle.issue_cert(NAME).configure_cert(context)
    transport.go_by(Way(tls=ClientTls(authorities=middle.cert_pem.bytes().decode())))
    async with open_receiver(tls=context, name=NAME) as receiver:
        assert (await post(transport, receiver.url))[0] == 200


async def test_contexts_are_kept_within_bounds_and_never_shared_between_different_ones() -> None:
    made: list[ClientTls] = []

    def make(tls: ClientTls) -> ssl.SSLContext:
        made.append(tls)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    usual = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    contexts = TlsContexts(usual, make)
    every = [ClientTls(authorities=str(number)) for number in range(33)]
    assert len({id(await contexts.context_for(tls)) for tls in every}) == 33
    assert await contexts.context_for(every[-1]) is await contexts.context_for(every[-1])
    assert len(made) == 33
    await contexts.context_for(every[0])
    assert len(made) == 34
    assert await contexts.context_for(None) is usual


async def test_what_cannot_be_used_is_a_failure_of_the_attempt_and_leaks_nothing(
    transport: EndpointTransport, receiver: Receiver
) -> None:
    transport.go_by(Way(tls=ClientTls(certificate="no certificate", private_key="no key")))
    before = open_descriptors()
    for _ in range(3):
        await transport.prepare(receiver.url, "team_1")
        with pytest.raises(TlsError, match=r"^the webhook's own certificates cannot be used: replace them$"):
            await post(transport, receiver.url)
    transport.close()
    await trio.testing.wait_all_tasks_blocked()
    assert open_descriptors() == before


@pytest.mark.parametrize("lack", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
async def test_a_lack_of_descriptors_is_not_blamed_on_the_certificate(lack: int) -> None:
    def make(_: ClientTls) -> ssl.SSLContext:
        raise OSError(lack, "lack")

    contexts = TlsContexts(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), make)
    with pytest.raises(OutOfDescriptors):
        await contexts.context_for(ClientTls(certificate="PEM"))


async def test_a_receiver_without_a_cipher_of_ours_is_not_taken_for_one_that_wants_a_certificate(
    transport: EndpointTransport, authority: TestAuthority
) -> None:
    context = authority.server_context(NAME)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")
    with socket.create_server((HOST, 0)) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, refuse_one, listener, context)
            with pytest.raises(TlsError, match=r"^the TLS handshake with hooks\.example\.com failed"):
                await post(transport, f"https://{NAME}:{listener.getsockname()[1]}/")


def test_a_context_with_a_certificate_leaves_no_descriptor_and_no_file(clients: trustme.CA) -> None:
    before = open_descriptors()
    context = own_tls_context(identity(clients))
    assert open_descriptors() == before
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.keylog_filename is None


def test_with_own_authorities_the_systems_are_not_trusted(authority: TestAuthority) -> None:
    context = own_tls_context(ClientTls(authorities=own_authority(authority)), authority.ca_file)
    assert context.cert_store_stats()["x509_ca"] == 1


def test_no_key_is_in_what_is_printed_of_a_way(clients: trustme.CA) -> None:
    assert "PRIVATE" not in repr(Way(tls=identity(clients)))
