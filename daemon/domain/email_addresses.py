"""Email addresses as mail servers accept them.

The only validation of addresses: the API, the settings and the mailer accept what `parse_address` accepts.
"""

import re
import unicodedata
from email.headerregistry import Address

import idna

from daemon.domain.printable import is_harmless, one_line

# RFC 5321, 4.5.3.1: in bytes, the domain in its ASCII form.
MAX_ADDRESS = 254
_MAX_LOCAL_PART = 64
# RFC 5321, 4.1.2, with every non-ASCII character treated as a letter (RFC 6531, 3.3).
_ATOM = r"[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+"
_LOCAL_PART = re.compile(rf'{_ATOM}(?:\.{_ATOM})*|"(?:[^"\\]|\\.)+"')
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")
_SENDER = re.compile(r"(?P<name>[^<>]*)<(?P<address>.+)>")


def parse_address(text: str) -> Address | None:
    """Return `name@domain` with the domain in its ASCII form (IDNA 2008), or None if it is no email address.

    The local part may be quoted, and may be non-ASCII: only servers with SMTPUTF8 (RFC 6531) take that.
    """
    if len(text) > MAX_ADDRESS or not (text.isprintable() and all(map(is_harmless, text))):
        return None
    local_part, _, domain = unicodedata.normalize("NFC", text).rpartition("@")
    ascii_domain = _ascii_domain(domain)
    if ascii_domain is None or _LOCAL_PART.fullmatch(local_part) is None:
        return None
    length = len(local_part.encode())
    if length > _MAX_LOCAL_PART or length + 1 + len(ascii_domain) > MAX_ADDRESS:
        return None
    address = Address(username=_unquoted(local_part), domain=ascii_domain)
    # `addr_spec` quotes where needed, except for misplaced dots (`".a"`): these are rejected.
    return address if _LOCAL_PART.fullmatch(address.addr_spec.rpartition("@")[0]) else None


def parse_sender(text: str) -> Address | None:
    """Return the address of a `From`, which may be `Display Name <name@domain>`, or None if it is none."""
    named = _SENDER.fullmatch(text.strip())
    if named is None:
        return parse_address(text.strip())
    address = parse_address(named["address"])
    return address and Address(one_line(_unquoted(named["name"].strip()), 200), address.username, address.domain)


def _ascii_domain(domain: str) -> str | None:
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    return ascii_domain if _DOMAIN.fullmatch(ascii_domain) else None


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if is_quoted else text
