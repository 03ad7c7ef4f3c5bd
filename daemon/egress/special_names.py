"""Names that cannot belong to a public receiver, however they resolve (contract "HTTP API", bad input)."""

# Domains, including all names below them, and what they are for.
_SPECIAL = {
    "localhost": "this machine",  # RFC 6761, 6.3
    "localdomain": "this machine",  # by convention, in /etc/hosts
    "local": "the local network",  # RFC 6762, 3
    "internal": "a private network",  # reserved by ICANN for that in 2024
    "intranet": "a private network",  # RFC 6762, appendix G: in use on private networks, so never delegated
    "private": "a private network",
    "corp": "a private network",  # with home and mail: ICANN delegates none of the three
    "home": "a private network",
    "lan": "a private network",
    "mail": "a private network",
    "arpa": "the Internet's infrastructure",  # RFC 3172; home.arpa is for home networks (RFC 8375)
    "onion": "the Tor network",  # RFC 7686, 2: never asked of DNS
    "alt": "something outside of DNS",  # RFC 9476
    "invalid": "nothing",  # RFC 6761, 6.4
    "test": "a test",  # RFC 6761, 6.2: never delegated
}
# `.example` and `example.com` are not listed: resolvers treat them like any other name (RFC 6761, 6.5).

_NOT_IN_DNS = ("invalid", "onion", "alt")


def inside_name(host: str) -> str | None:
    """Return None if the name may be a public receiver's, otherwise a clause that says why it cannot.

    `host` is lower-case ASCII (IDNA), with or without a final dot. A single label is not public either: it resolves
    only by a search list, or as a dotless domain, which ICANN forbids (RFC 7085).
    """
    labels = _labels(host)
    if (meaning := _SPECIAL.get(labels[-1])) is not None:
        return f'names that end in "{labels[-1]}" are for {meaning}'
    return "a name without a dot is for a private network" if len(labels) == 1 else None


def is_localhost(host: str) -> bool:
    """Whether the name is `localhost` or below it: always this machine, never looked up in DNS (RFC 6761, 6.3)."""
    return _labels(host)[-1] == "localhost"


def is_not_in_dns(host: str) -> bool:
    """Whether the name cannot exist in DNS, so that it is not looked up there."""
    return _labels(host)[-1] in _NOT_IN_DNS


def _labels(host: str) -> list[str]:
    return host.lower().removesuffix(".").split(".")
