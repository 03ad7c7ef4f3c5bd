"""The table of receivers from hell, under TLS: what each does, and what the daemon must make of it."""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from daemon.domain.model import OutcomeKind
from tests.faults import hell_conducts as do
from tests.faults.hell import DELIVERED, LENGTHY, OK, PROTOCOL_ERROR, SHORT, TIMEOUT, TWO, cut_at_every_byte
from tests.faults.hell_server import Certificate, Conduct, Fiend
from tests.support.tls import TestAuthority, self_signed_context

TLS_ERROR = OutcomeKind.TLS_ERROR
NAME = "hooks.example.com"
_SERVER_HELLO = b"\x16\3\3\x40\0\2\0\x3f\xfc\3\3"  # begins a record of 16 KiB


def _raw(name: str, conduct: Conduct, outcome: OutcomeKind) -> Fiend:
    """A fiend that is asked for TLS and speaks something else; the healthy one behind it does speak TLS."""
    return Fiend(
        name,
        conduct,
        outcome,
        certificate="good",
        shakes_hands=False,
        reads_request=False,
        or_else=OutcomeKind.CONNECT_ERROR if name.startswith("resets") else None,
    )


HANDSHAKES = (
    Fiend("has a certificate of another name", do.say_nothing, TLS_ERROR, certificate="of another name"),
    Fiend("has an expired certificate", do.say_nothing, TLS_ERROR, certificate="expired"),
    Fiend("has a self-signed certificate", do.say_nothing, TLS_ERROR, certificate="self-signed"),
    # Under TLS 1.3 the client has done its part by then: to it, the connection closes in place of an answer.
    Fiend(
        "hangs up on a client without a certificate",
        do.say_nothing,
        PROTOCOL_ERROR,
        certificate="asks for the client's",
    ),
    _raw("stalls in the handshake", do.stop_reading, TIMEOUT),
    _raw("begins its hello and stalls", do.sends(_SERVER_HELLO), TIMEOUT),
    _raw("drips its hello", do.drips(_SERVER_HELLO, b"\0"), TIMEOUT),
    _raw("closes in the handshake", do.sends_and_closes(), TLS_ERROR),
    _raw("closes in its hello", do.sends_and_closes(_SERVER_HELLO), TLS_ERROR),
    _raw("resets in the handshake", do.sends_and_resets(), TLS_ERROR),
    _raw("speaks plain HTTP on the TLS port", do.sends(OK + TWO), TLS_ERROR),
    _raw("sends an alert", do.sends(b"\x15\3\3\0\2\2\x28"), TLS_ERROR),
    _raw("sends rubbish for a hello", do.sends(bytes(range(256)) * 16), TLS_ERROR),
    _raw("floods zeros for a hello", do.floods(b"", bytes(65536)), TLS_ERROR),
)

# RFC 9112, 9.8: without TLS's goodbye, only a response with a length or chunks can be known to be whole.
CLOSINGS = (
    Fiend("breaks off in the body", do.sends_and_closes(SHORT), PROTOCOL_ERROR, 200, b"ok"),
    Fiend("breaks off a body without a length", do.sends_and_closes(OK + b"\r\nok"), PROTOCOL_ERROR, 200, b"ok"),
    Fiend("ends a body with a goodbye", do.sends_and_says_goodbye(OK + b"\r\nok"), DELIVERED, 200, b"ok"),
    Fiend("says goodbye in a body", do.sends_and_says_goodbye(SHORT), PROTOCOL_ERROR, 200),
    Fiend("breaks off after the response", do.sends_and_closes(OK + TWO), DELIVERED, 200, b"ok"),
    Fiend("resets after the request, under TLS", do.sends_and_resets(), PROTOCOL_ERROR),
    Fiend("says nothing, under TLS", do.say_nothing, TIMEOUT),
    Fiend("drips its body, under TLS", do.drips(OK + b"\r\n", b"x"), TIMEOUT, 200),
    Fiend("floods its body, under TLS", do.floods(OK + b"\r\n", b"x" * 65536), DELIVERED, 200, b"x" * 4096),
    Fiend("breaks TLS in the body", do.sends_below_tls(SHORT, b"\x17\3\3\0\x20" + b"x" * 32),
          TLS_ERROR, 200, b"ok"),
    Fiend("goes on in plain text", do.sends_below_tls(b"", OK + TWO), TLS_ERROR),
)  # fmt: skip


def under_tls() -> Iterator[Fiend]:
    """Yield the whole table."""
    yield from HANDSHAKES
    for fiend in (*CLOSINGS, *cut_at_every_byte("a length, under TLS", LENGTHY)):
        yield replace(fiend, certificate="good")


def server_contexts(
    authority: TestAuthority, directory: Path, name: str = NAME
) -> Mapping[Certificate, ssl.SSLContext]:
    """Return the TLS of each certificate that a fiend may have; `name` is the name or address that it should have."""
    demanding = authority.server_context(name)
    demanding.verify_mode = ssl.CERT_REQUIRED
    demanding.load_verify_locations(authority.ca_file)
    return {
        "good": authority.server_context(name),
        "of another name": authority.server_context("other.example.com"),
        "expired": authority.server_context(name, expired=True),
        "self-signed": self_signed_context(NAME, directory),
        "asks for the client's": demanding,
    }
