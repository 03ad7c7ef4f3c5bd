"""Names that never lead to a public receiver, whatever a resolver says of them (contract "HTTP API", bad input)."""

# The domain with all names below it, and why no public receiver can have such a name.
_SPECIAL = {
    "localhost": "this machine",  # RFC 6761, 6.3
    "localdomain": "this machine",  # what /etc/hosts adds to it by convention
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
# `.example` and `example.com` are missing on purpose: resolvers treat them as any other name (RFC 6761, 6.5).

_NEVER_ASKED = ("invalid", "onion", "alt")


def inside_name(host: str) -> str | None:
    """Return None when the name may be a public receiver's, else a clause that says why it cannot.

    `host` is lower-case ASCII (IDNA), with or without a final dot. A name of one label is not public either: only a
    search list, or a domain that ICANN forbids (RFC 7085), makes an address of it.
    """
    labels = _labels(host)
    if (meaning := _SPECIAL.get(labels[-1])) is not None:
        return f'names that end in "{labels[-1]}" are for {meaning}'
    return "a name without a dot is for a private network" if len(labels) == 1 else None


def is_localhost(host: str) -> bool:
    """Whether the name is `localhost` or below it: always this machine, never asked of DNS (RFC 6761, 6.3)."""
    return _labels(host)[-1] == "localhost"


def is_never_asked(host: str) -> bool:
    """Whether DNS cannot know the name, so that it is not asked for."""
    return _labels(host)[-1] in _NEVER_ASKED


def _labels(host: str) -> list[str]:
    return host.lower().removesuffix(".").split(".")
