"""The code for receivers in docs/receivers.md, taken from the page and run on what the daemon signs."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from daemon.crypto.signing import Secrets, generate_secret, signature_headers
from tests.docs.verifying import BODY, ID, Case, Code

OWN, OTHER_OWN = "a secret of its own: ключ", "another secret"
STANDARD, OTHER_STANDARD = generate_secret(), generate_secret()
NOW = int(time.time())
OTHERS_SIGNATURE = dict(signature_headers(Secrets(OTHER_OWN), ID, 0, BODY))["X-Kakiyo-Signature"]


def own(what: str, genuine: bool, **fields: Any) -> Case:
    return Case(what, genuine, Secrets(OWN), (OWN,), **fields)


def standard(what: str, genuine: bool, **fields: Any) -> Case:
    return Case(f"{what}, Standard Webhooks", genuine, Secrets(STANDARD), (STANDARD,), **fields)


def signature(value: str | None) -> Mapping[str, str | None]:
    return {"x-kakiyo-signature": value}


TAMPERED = BODY.replace(b"acme", b"evil")
STANDARD_CASES = [
    standard("what the daemon signs", True),
    standard("a body that was tampered with", False, body=TAMPERED),
    standard("another id", False, other={"webhook-id": "dlv_other"}),
    standard("a delivery of an hour ago, played back", False, sent_at=NOW - 3600),
    standard("a delivery from the future", False, sent_at=NOW + 3600),
    standard("a delivery of an hour ago with the time of now", False, other={"webhook-timestamp": str(NOW - 60)}),
    standard("no signature", False, other={"webhook-signature": None}),
    standard("a signature that is cut short", False, other={"webhook-signature": "v1,abc"}),
    standard("a time that is none", False, other={"webhook-timestamp": "soon"}),
    standard("no time", False, other={"webhook-timestamp": None}),
    standard("a time beyond all numbers", False, other={"webhook-timestamp": "9" * 5_000}),
]
ROTATIONS = [
    Case(f"{what} in a rotation of {kind}", genuine, Secrets(new, old, is_before_switch=first_half), known)
    for kind, old, new in (("own secrets", OTHER_OWN, OWN), ("standard secrets", OTHER_STANDARD, STANDARD))
    for first_half in (True, False)
    for what, known, genuine in (
        ("a receiver that knows both", (old, new), True),
        ("a receiver that knows another", ("a third",), False),
    )
]
CASES = [
    own("what the daemon signs", True),
    own("a body that was tampered with", False, body=TAMPERED),
    own("a body with one space more", False, body=BODY + b" "),
    own("a signature with another secret", False, other=signature(OTHERS_SIGNATURE)),
    own("a signature that is cut short", False, other=signature(OTHERS_SIGNATURE[:10])),
    own("a signature that is no hex", False, other=signature("ü" * 64)),
    own("an empty signature", False, other=signature("")),
    own("no signature", False, other=signature(None)),
    *STANDARD_CASES,
    *ROTATIONS,
    Case("a receiver that knows the new standard secret alone", True, Secrets(STANDARD, OTHER_STANDARD), (STANDARD,)),
    Case(
        "a receiver that knows the old standard secret alone",
        True,
        Secrets(STANDARD, OTHER_STANDARD),
        (OTHER_STANDARD,),
    ),
    Case("a receiver that knows no secret", False, Secrets(OWN), ()),
]
EXPECTED = [(case.what, case.genuine) for case in CASES]
CODE = Code("Verifying signatures", CASES)


def test_the_python_code_tells_genuine_deliveries_from_others() -> None:
    assert CODE.in_python() == EXPECTED


def test_the_node_code_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    assert CODE.in_node(tmp_path) == EXPECTED


def test_the_php_code_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    assert CODE.in_php(tmp_path) == EXPECTED


def test_the_ruby_code_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    assert CODE.in_ruby(tmp_path) == EXPECTED


def test_the_go_code_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    assert CODE.in_go(tmp_path) == EXPECTED


@pytest.mark.parametrize("case", STANDARD_CASES, ids=[case.what for case in STANDARD_CASES])
def test_the_published_python_library_tells_genuine_deliveries_from_others(case: Case) -> None:
    from standardwebhooks import Webhook, WebhookVerificationError

    try:
        Webhook(STANDARD).verify(case.body, case.headers)
    except (WebhookVerificationError, ValueError):  # it raises ValueError for what is no base64
        assert not case.genuine
    else:
        assert case.genuine
