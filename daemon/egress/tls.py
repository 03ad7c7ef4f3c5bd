"""The TLS context that all deliveries share: creating one takes some 20 ms."""

import ssl
from pathlib import Path

import certifi


def make_tls_context(ca_file: Path | None = None, *, authorities: str | None = None) -> ssl.SSLContext:
    """Return a client context: verifies certificate and name, TLS 1.2 or newer, HTTP/1.1 by ALPN (RFC 7301).

    Trusts the system's authorities (certifi's if the system has none) and those in `ca_file`, a PEM file; with
    `authorities` (PEM) those alone, one that another vouches for among them.
    Raises OSError or ssl.SSLError when `ca_file` cannot be read.
    """
    # Not ssl.create_default_context(): it writes session keys to the file named by SSLKEYLOGFILE.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Renegotiation needs writes while reading, which TlsWire does not do.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    if authorities is not None:
        context.load_verify_locations(cadata=authorities)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context
    if _system_has_authorities():
        context.load_default_certs()
    else:
        context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _system_has_authorities() -> bool:
    paths = ssl.get_default_verify_paths()
    return paths.cafile is not None or (paths.capath is not None and any(Path(paths.capath).iterdir()))
