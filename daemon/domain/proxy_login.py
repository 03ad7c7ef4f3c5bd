"""The login to a proxy: what its password may be."""

# As much as fits into the login of SOCKS5 (RFC 1929).
MAX_LOGIN_BYTES = 255


def check_password(password: str) -> str:
    """Return the password. Raises ValueError with a sentence for one that no proxy can be sent."""
    if not 1 <= len(password.encode("utf-8", "replace")) <= MAX_LOGIN_BYTES or not password.isprintable():
        raise ValueError(f"a proxy's password has 1 to {MAX_LOGIN_BYTES} bytes and no control characters: correct it")
    return password
