import ssl
from pathlib import Path

import pytest
import trustme

from daemon.domain.email_addresses import parse_sender
from daemon.domain.mails import Mail
from daemon.domain.model import FailedDelivery, OutcomeKind
from daemon.mail.message import Compose, message_composer

DISABLED_AT = 1_752_575_398_412  # 2025-07-15 10:29:58.412 UTC


@pytest.fixture
def mail() -> Mail:
    failures = tuple(
        FailedDelivery(
            f"dlv_{number}",
            "linkedin.message.sent",
            DISABLED_AT - minutes * 60_000 - 7_000,
            DISABLED_AT - minutes * 60_000,
            kind,
            status,
            error,
        )
        for number, minutes, kind, status, error in (
            (1, 90, OutcomeKind.HTTP_ERROR, 503, "The receiver answered 503"),
            (2, 60, OutcomeKind.TIMEOUT, None, "No answer within 10 s"),
            (3, 30, OutcomeKind.HTTP_ERROR, 500, None),
            (4, 0, OutcomeKind.CONNECT_ERROR, None, None),
        )
    )
    return Mail(
        "mail_01k",
        "team_1",
        ("ann@example.com", "bob@example.com"),
        "wh_1",
        "CRM Sync",
        "https://crm.example.com/hook?x=1",
        DISABLED_AT,
        failures,
        DISABLED_AT,
        team_name="Acme",
    )


@pytest.fixture
def compose() -> Compose:
    sender = parse_sender("Kakiyo <hooks@example.com>")
    assert sender is not None
    return message_composer(sender, "https://hooks.example.com")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"
