"""The error of an attempt tells a team nothing of our inside; the log has the rest (contract "An attempt")."""

import errno
import os
import socket
import ssl
from ipaddress import IPv4Address

import pytest

from daemon.egress.connect import _not_connected, _tls_sentence
from daemon.egress.errors import ConnectionBroken, TlsError
from daemon.egress.exchange import exchange
from daemon.egress.response import Response
from daemon.egress.urls import Target
from daemon.egress.wire import Wire

TOLD = {errno.ECONNREFUSED, errno.ECONNRESET}
CODES = sorted(set(errno.errorcode) - {errno.EAGAIN, errno.EINPROGRESS, errno.EALREADY})


class BreakingWire(Wire):
    """A connection on which the request goes out, and which then fails with this error."""

    def __init__(self, error: OSError) -> None:
        super().__init__(socket.socket())
        self.error = error

    def send_now(self, encoded: bytes | memoryview) -> int:
        return len(encoded)

    async def receive(self) -> bytes:
        raise self.error


async def broken_by(error: OSError) -> ConnectionBroken | TlsError:
    wire = BreakingWire(error)
    try:
        with pytest.raises((ConnectionBroken, TlsError)) as caught:
            await exchange(wire, b"POST / HTTP/1.1\r\n\r\n", Response(4096))
    finally:
        wire.close()
    assert isinstance(caught.value, ConnectionBroken | TlsError)
    return caught.value


@pytest.mark.fault(
    "A connection breaks by a fault of this machine or its network",
    "The team reads that it broke; which fault it was stands in the operator's log",
)
async def test_a_connection_that_breaks_tells_no_fault_of_ours() -> None:
    for code in CODES:
        error = await broken_by(OSError(code, os.strerror(code)))
        said = "the connection broke before the response was complete"
        assert str(error) == (said if code not in TOLD else f"{said} ({os.strerror(code).lower()})")
        assert error.detail is not None
        assert os.strerror(code) in error.detail


def test_an_address_that_cannot_be_reached_tells_no_fault_of_ours() -> None:
    for code in CODES:
        failure = OSError(code, os.strerror(code))
        error = _not_connected(Target("https", "hooks.example.com", 443), {IPv4Address("10.1.2.3"): failure})
        reason = os.strerror(code).lower() if code in TOLD else "no answer"
        assert str(error) == f"no connection to hooks.example.com port 443 ({reason})"
        assert error.detail == f"10.1.2.3: {os.strerror(code).lower()}"


def ssl_error(library: str | None, reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "[X] /etc/ssl/openssl.cnf (_ssl.c:1)")
    error.library, error.reason = library, reason  # type: ignore[assignment]  # as the ssl module sets them
    return error


@pytest.mark.parametrize(
    ("library", "reason", "told"),
    [
        ("SSL", "TLSV1_ALERT_UNKNOWN_CA", " (tlsv1 alert unknown ca)"),
        ("SSL", "INTERNAL_ERROR", ""),
        ("SYS", "NO_SUCH_FILE", ""),
        (None, None, ""),
    ],
)
async def test_of_tls_only_what_the_receiver_did_is_told(library: str | None, reason: str | None, told: str) -> None:
    error = await broken_by(ssl_error(library, reason))
    assert str(error) == f"the TLS connection broke{told}"
    handshake = _tls_sentence(ssl_error(library, reason), "hooks.example.com", None, has_answered=False)
    assert handshake == f"the TLS handshake with hooks.example.com failed{told or ' (unknown reason)'}"
    assert error.detail is not None
    assert "openssl.cnf" in error.detail


def test_a_certificate_is_judged_in_words_about_it_alone() -> None:
    def sentence(code: int, message: str) -> str:
        error = ssl.SSLCertVerificationError()
        error.verify_code, error.verify_message = code, message
        return _tls_sentence(error, "hooks.example.com", None, has_answered=False)

    assert sentence(10, "certificate has expired").endswith("(certificate has expired)")
    assert sentence(70, "issuer lookup error: /etc/ssl/certs").endswith("(not trusted)")
