"""Email addresses as a mail server takes them, and text that is safe in a header."""

from email.errors import HeaderParseError, MessageDefect
from email.headerregistry import Address
from email.utils import parseaddr


def parse_address(text: str) -> Address | None:
    """Return `name@domain` with the domain in its ASCII form, or None if it is no email address.

    The local part may be non-ASCII: only servers with SMTPUTF8 (RFC 6531) take it.
    """
    local_part, _, domain = text.strip().rpartition("@")
    if not text.strip().isprintable():
        return None
    # The parser takes ASCII only; beyond it, every character is as good as a letter (RFC 6531, 3.3).
    stand_in = "".join(c if c.isascii() else "x" for c in local_part)
    try:
        address = Address(addr_spec=f"{stand_in}@{domain.encode('idna').decode()}")
    except (HeaderParseError, MessageDefect, ValueError, IndexError):  # IndexError: the parser's answer to some rubbish
        return None
    if not (address.username and address.domain):
        return None
    return address if stand_in == local_part else Address(username=local_part, domain=address.domain)


def parse_sender(text: str) -> Address | None:
    """Return the address of a `From`, which may be `Display Name <name@domain>`, or None if it is none."""
    display_name, addr_spec = parseaddr(text)
    address = parse_address(addr_spec)
    return address and Address(one_line(display_name, 200), address.username, address.domain)


def one_line(text: str, limit: int) -> str:
    """Return `text` in one line of at most `limit` characters, without control or invisible characters."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
