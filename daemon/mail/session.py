"""A session with the mail server: reached, secured and logged in, or a sentence why not."""

import smtplib
import ssl

from daemon.config import SmtpSettings
from daemon.mail.addresses import one_line

_SOCKET_TIMEOUT_S = 30


def open_session(settings: SmtpSettings) -> smtplib.SMTP:
    """Connect as `[smtp]` says and return the session; blocks, each step for at most 30 s.

    The password file is read each time, so that a changed password needs no restart. Raises OSError (of which
    smtplib's errors are kinds) or ValueError (a user name or password that cannot be sent).
    """
    session = _connect(settings)
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
    """Say goodbye. What the server answers to it does not matter: the mail is sent or refused by now."""
    try:
        session.quit()
    except OSError:
        session.close()


def _connect(settings: SmtpSettings) -> smtplib.SMTP:
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=_SOCKET_TIMEOUT_S, context=_tls(settings))
    return smtplib.SMTP(settings.host, settings.port, timeout=_SOCKET_TIMEOUT_S)


def _tls(settings: SmtpSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    return context


def _password(settings: SmtpSettings) -> str:
    return settings.password_file.read_text("utf-8").rstrip("\r\n") if settings.password_file else ""


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
            return f"it does not offer what is needed ({error}): check smtp.security and smtp.username"
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
        case OSError(filename=str() | bytes()) | OSError(filename=settings.password_file) if error.filename:
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
