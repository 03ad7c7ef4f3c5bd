"""Variables that Kubernetes and docker inject for a Service or container whose name begins with the product's.

Kubernetes: "Discovering services", environment variables (`enableServiceLinks`). Docker: "Legacy container links"; a
range of ports has its start and its end, and compose numbers containers. They share our prefix and are no settings.
"""

import re
from ipaddress import ip_address

_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_LINK = re.compile(r"(tcp|udp|sctp)://(.+):[0-9]{1,5}", re.ASCII)
_PROTOCOL = re.compile(r"tcp|udp|sctp", re.ASCII)
_CONTAINER = re.compile(r"/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", re.ASCII)
_LONGER_NAME = r"([A-Z0-9]+_)*?"  # kakiyo-webhooks-metrics
_NUMBERED = r"PORT_[0-9]{1,5}_(TCP|UDP|SCTP)"


def is_service_link(name: str, value: str) -> bool:
    """Whether the variable, whose `name` stands without our prefix, is one that was injected, by name and value."""
    return any(form.fullmatch(name) and fits(value) for form, fits in _FORMS)


def _is_link(value: str) -> bool:
    link = _LINK.fullmatch(value)
    return link is not None and _is_address(link[2].strip("[]"))


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


_FORMS = (
    *(
        (re.compile(_LONGER_NAME + form, re.ASCII), fits)
        for form, fits in (
            ("PORT", _is_link),
            ("SERVICE_HOST", _is_address),
            ("SERVICE_PORT(_[A-Z0-9_]+)?", _PORT.fullmatch),
            (_NUMBERED + "(_START|_END)?", _is_link),
            (_NUMBERED + "_ADDR", _is_address),
            (_NUMBERED + "_PORT(_START|_END)?", _PORT.fullmatch),
            (_NUMBERED + "_PROTO", _PROTOCOL.fullmatch),
            ("NAME", _CONTAINER.fullmatch),
        )
    ),
    (re.compile("([0-9]+_)?ENV_.+", re.ASCII), lambda value: True),
)
