"""The code of docs/receivers.md for public keys, taken from the page and run on what the daemon signs."""

import time
from pathlib import Path
from typing import Any

from daemon.crypto.ed25519 import generate_key_pair, secret_key
from daemon.crypto.signing import Secrets, generate_secret
from tests.docs.verifying import BODY, Case, Code

KEY, OTHER = generate_key_pair(), generate_key_pair()
SIGNED, BY_OTHER = (Secrets(ed25519=(secret_key(pair.secret),)) for pair in (KEY, OTHER))
ROTATED = Secrets(generate_secret(), ed25519=(secret_key(KEY.secret), secret_key(OTHER.secret)))
NOW = int(time.time())


def case(what: str, genuine: bool, **fields: Any) -> Case:
    return Case(what, genuine, fields.pop("signed_with", SIGNED), fields.pop("known", (KEY.public,)), **fields)


CASES = [
    case("what the daemon signs", True),
    case("what is signed with a secret, too", True, signed_with=ROTATED),
    case("what another key signs", False, signed_with=BY_OTHER),
    case("a receiver that knows both keys of a rotation", True, known=(OTHER.public, KEY.public)),
    case("a receiver that knows the old key alone", True, signed_with=ROTATED, known=(OTHER.public,)),
    case("a receiver that knows no key", False, known=()),
    case("a body that was tampered with", False, body=BODY.replace(b"acme", b"evil")),
    case("another id", False, other={"webhook-id": "dlv_other"}),
    case("a delivery of an hour ago, played back", False, sent_at=NOW - 3600),
    case("a delivery from the future", False, sent_at=NOW + 3600),
    case("a delivery of an hour ago with the time of now", False, other={"webhook-timestamp": str(NOW - 60)}),
    case("a secret's signature alone", False, signed_with=Secrets(generate_secret())),
    case("no signature", False, other={"webhook-signature": None}),
    case("a signature that is cut short", False, other={"webhook-signature": "v1a,abc="}),
    case("an empty signature", False, other={"webhook-signature": "v1a,"}),
    case("a time that is none", False, other={"webhook-timestamp": "soon"}),
    case("no time", False, other={"webhook-timestamp": None}),
    case("a time beyond all numbers", False, other={"webhook-timestamp": "9" * 5_000}),
]
EXPECTED = [(each.what, each.genuine) for each in CASES]
CODE = Code("Verifying with a public key", CASES)


def test_the_python_code_for_public_keys_tells_genuine_deliveries_from_others() -> None:
    assert CODE.in_python() == EXPECTED


def test_the_node_code_for_public_keys_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    assert CODE.in_node(tmp_path) == EXPECTED


def test_the_php_code_for_public_keys_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    assert CODE.in_php(tmp_path) == EXPECTED


def test_the_ruby_code_for_public_keys_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    assert CODE.in_ruby(tmp_path) == EXPECTED


def test_the_go_code_for_public_keys_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    assert CODE.in_go(tmp_path) == EXPECTED
