"""TLS contexts of webhooks with a certificate or authorities of their own: some are kept, others made again.

Making one takes some 20 ms with the system's authorities, so that is done in a thread.
"""

import os
import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from daemon.egress.errors import TlsError, is_shortage, out_of_descriptors
from daemon.egress.tls import make_tls_context

_MOST_KEPT = 32
_MOST_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class ClientTls:
    """In PEM: the certificate that is shown to the receiver, with those that vouch for it, its key, and the authorities
    that stand in for the system's. What is empty is as usual.
    """

    certificate: str = ""
    private_key: str = field(default="", repr=False)
    authorities: str = ""


class TlsContexts:
    """The context of all webhooks, and those of the webhooks that have their own: the last 32 used are kept.

    Two webhooks share a context only if their certificate, key and authorities are the same.
    """

    def __init__(self, usual: ssl.SSLContext, make: Callable[[ClientTls], ssl.SSLContext] | None = None) -> None:
        self._usual = usual
        self._make = make or own_tls_context
        self._kept: OrderedDict[ClientTls, ssl.SSLContext] = OrderedDict()
        self._limiter = trio.CapacityLimiter(_MOST_AT_ONCE)

    async def context_for(self, tls: ClientTls | None) -> ssl.SSLContext:
        """Return the context; only one that is not kept takes time. Raises TlsError or OutOfDescriptors."""
        if tls is None:
            return self._usual
        context = self._kept.pop(tls, None)
        if context is None:
            try:
                context = await trio.to_thread.run_sync(self._make, tls, limiter=self._limiter)
            except OSError as error:  # ssl.SSLError among them
                if is_shortage(error):
                    raise out_of_descriptors() from None
                sentence = "the webhook's own certificates cannot be used: replace them"
                raise TlsError(sentence, str(error)) from None
        self._kept[tls] = context
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return context


def own_tls_context(tls: ClientTls, ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context as `make_tls_context` does, with this certificate and these authorities. Raises OSError."""
    context = make_tls_context(ca_file, authorities=tls.authorities or None)
    if tls.certificate:
        _load_certificate(context, f"{tls.certificate}\n{tls.private_key}")
    return context


def _load_certificate(context: ssl.SSLContext, pem: str) -> None:
    """Give OpenSSL the key by a file that is in memory alone: Python hands it files only, and no key is on our disk."""
    descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem.encode())
        file.flush()
        # Without this, a key with a passphrase would ask for it at the terminal.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "")
