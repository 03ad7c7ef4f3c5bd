"""A session with the mail server: connect, TLS and login, or one sentence that says what failed."""

import os
import smtplib
import socket
import ssl
from pathlib import Path

import trio

from daemon.config.settings import SmtpSettings
from daemon.domain.printable import one_line
from daemon.systemd.credentials import SMTP_PASSWORD, credential

_SOCKET_TIMEOUT_S = 30


class _Session(smtplib.SMTP):
    """The library's session, on an existing connection."""

    def __init__(self, connection: socket.socket, settings: SmtpSettings) -> None:
        self._connection = connection
        super().__init__(settings.host, settings.port, local_hostname=settings.helo_name or None)

    def _get_socket(self, *_: object) -> socket.socket:
        return self._connection


async def connect(settings: SmtpSettings) -> socket.socket:
    """Connect to the server of `[smtp]`; return the connection for use in a thread, with a timeout of 30 s per step.

    Raises OSError.
    """
    try:
        stream = await trio.open_tcp_stream(settings.host, settings.port)
    except OSError as error:
        raise _last_reason(error) from None
    connection = socket.socket(fileno=stream.socket.detach())
    connection.settimeout(_SOCKET_TIMEOUT_S)
    return connection


def _last_reason(error: OSError) -> OSError:
    # Trio raises the errors of all addresses as a group; their texts begin with the address.
    match error.__cause__:
        case BaseExceptionGroup(exceptions=(*_, OSError(errno=int() as number))):
            return OSError(number, os.strerror(number))
    return error


def open_session(settings: SmtpSettings, connection: socket.socket) -> smtplib.SMTP:
    """Open a session on this connection as configured in `[smtp]`; it takes over the connection. Blocks.

    The password file is read each time, so a changed password needs no restart. Raises OSError (the base of smtplib's
    errors) or ValueError (a user name or password that cannot be sent).
    """
    try:
        if settings.security == "tls":
            connection = _tls(settings).wrap_socket(connection, server_hostname=settings.host)
        session = _Session(connection, settings)
    except BaseException:
        connection.close()
        raise
    try:
        if settings.security == "starttls":
            session.starttls(context=_tls(settings))
        session.ehlo_or_helo_if_needed()
        if settings.username:
            session.login(settings.username, _password(settings))
    except BaseException:
        session.close()
        raise
    return session


def close_session(session: smtplib.SMTP) -> None:
    """Send QUIT. The server's reply does not matter: the mail is already sent or refused."""
    try:
        session.quit()
    except OSError:
        session.close()


def _tls(settings: SmtpSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    return context


def _password(settings: SmtpSettings) -> str:
    file = settings.password_file or credential(SMTP_PASSWORD)
    return file.read_text("utf-8").rstrip("\r\n") if file else ""


def explain(settings: SmtpSettings, error: Exception) -> str:
    """Return one sentence for the operator: what went wrong with the server, and what to do."""
    return f"mail server {settings.host}:{settings.port}: {_reason(settings, error)}"


def _reason(settings: SmtpSettings, error: Exception) -> str:
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"it refused the login ({_answer(error)}): check smtp.username and smtp.password_file"
        case smtplib.SMTPSenderRefused():
            return f"it refused the sender ({_answer(error)}): check smtp.from, and whether it wants a login"
        case smtplib.SMTPResponseException():
            return f"it answered {_answer(error)}"
        case smtplib.SMTPNotSupportedError():
            return f"it does not offer what is needed ({error}): check smtp.security, smtp.username and smtp.from"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message}): check smtp.host and smtp.ca_file"
        case ssl.SSLError():
            return f"TLS failed ({error.reason or error}): check smtp.security and smtp.port"
        case _:
            return _other_reason(settings, error)


def _other_reason(settings: SmtpSettings, error: Exception) -> str:
    match error:
        case smtplib.SMTPException():
            return one_line(str(error), 200)
        case OSError(filename=str() | bytes() | Path()) if error.filename:
            return f"{error.filename} cannot be read ({error.strerror}): check smtp.password_file and smtp.ca_file"
        case TimeoutError():
            return "it did not answer in time: check smtp.host, smtp.port and the firewall"
        case OSError():
            return f"it cannot be reached ({error.strerror or error}): check smtp.host and smtp.port"
        case _:
            return "smtp.username or the password holds characters that cannot be sent: only ASCII can"


def _answer(error: smtplib.SMTPResponseException) -> str:
    return reply_text(error.smtp_code, error.smtp_error)


def reply_text(code: int, text: bytes | str) -> str:
    """Return a server's reply in one line, bounded."""
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return one_line(f"{code} {decoded}", 200)
