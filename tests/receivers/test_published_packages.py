"""Receivers in several languages verify real deliveries, with the published Standard Webhooks packages.

The packages verify the signatures of secrets (v1) alone; each language verifies those of key pairs (v1a) with the
ed25519 that it has, or with its usual library. `build` beside this file builds the receivers.
"""

import base64
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.e2e.operating import Operator, operated
from tests.support.process import Installation, make_installation
from tests.support.programs import plain_environment, skip_without
from tests.support.receivers import ReceivedRequest, Receiver, open_receiver

HERE = Path(__file__).parent
SECRET, NEW_SECRET = (f"whsec_{base64.b64encode(bytes([byte]) * 32).decode()}" for byte in (1, 2))
BUILT = {
    "node": ("node", "node/main.mjs", "node/node_modules/standardwebhooks"),
    "go": ("go/built", "", "go/built"),
    "rust": ("rust/built/release/receiver", "", "rust/built/release/receiver"),
    "java": ("java", "java/built", "java/built/Main.class"),
    "python": (sys.executable, "python/main.py", "python/main.py"),
}


@dataclass(frozen=True)
class Case:
    """A delivery, what its receiver knows, and which of its two signatures are genuine to it."""

    what: str
    request: ReceivedRequest
    secret: str
    public_key: str
    genuine: tuple[bool, bool]
    added: bytes = b""

    @property
    def line(self) -> str:
        headers = [self.request.header(f"webhook-{name}") or "" for name in ("id", "timestamp", "signature")]
        body = base64.b64encode(self.request.body + self.added).decode()
        return "\t".join((self.secret, self.public_key, *headers, body))


async def delivered(operator: Operator, receiver: Receiver, number: int) -> ReceivedRequest:
    await operator.submit(number)
    return (await receiver.received(number))[number - 1]


async def real_deliveries(installation: Installation) -> list[Case]:
    """Have a daemon deliver with each scheme, and during a rotation; return what its receivers make of it."""
    async with (
        operated(installation, confidential=[SECRET, NEW_SECRET]) as operator,
        open_receiver() as receiver,
    ):
        await operator.make_team()
        webhook = await operator.make_webhook(receiver.url, secret=SECRET)
        path = f"/v1/webhooks/{webhook['id']}"
        by_secret = await delivered(operator, receiver, 1)
        old = (await operator.call("PATCH", path, {"signatureScheme": "both"}))["publicKey"]
        by_both = await delivered(operator, receiver, 2)
        new = (await operator.call("POST", f"{path}/rotate-secret", {"secret": NEW_SECRET}))["publicKey"]
        rotated = await delivered(operator, receiver, 3)
        await operator.call("PATCH", path, {"signatureScheme": "ed25519"})
        by_key = await delivered(operator, receiver, 4)
        operator.confidential |= {
            value for each in (by_secret, by_both, rotated, by_key) for value in signatures_of(each)
        }
    return [
        Case("a secret alone", by_secret, SECRET, old, (True, False)),
        Case("both", by_both, SECRET, old, (True, True)),
        Case("both, to a receiver of other keys", by_both, NEW_SECRET, new, (False, False)),
        Case("both, tampered with", by_both, SECRET, old, (False, False), added=b" "),
        Case("both in a rotation, by the old ones", rotated, SECRET, old, (True, True)),
        Case("both in a rotation, by the new ones", rotated, NEW_SECRET, new, (True, True)),
        Case("a key pair alone, by the old one", by_key, SECRET, old, (False, True)),
        Case("a key pair alone, by the new one", by_key, NEW_SECRET, new, (False, True)),
        Case("nothing is known", by_both, "", "", (False, False)),
    ]


def signatures_of(request: ReceivedRequest) -> list[str]:
    values = (request.header("webhook-signature"), request.header("X-Kakiyo-Signature"))
    return [value for value in values if value is not None]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with closing(make_installation(tmp_path_factory.mktemp("installation"))) as installation:
        return trio.run(real_deliveries, installation)


def command_of(language: str) -> Sequence[str]:
    program, argument, made = BUILT[language]
    if not (HERE / made).exists():
        skip_without(f"{language}-receiver", f"the receiver in {language} is not built: tests/receivers/build")
    if language == "java":
        return (program, "-cp", f"{HERE / argument}/*:{HERE / argument}", "Main")
    path = str(HERE / program) if "/" in program and not program.startswith("/") else program
    return (path, *([str(HERE / argument)] if argument else []))


@pytest.mark.parametrize("language", BUILT)
def test_each_language_verifies_real_deliveries_with_its_package_and_its_ed25519(
    language: str, cases: list[Case]
) -> None:
    command = command_of(language)
    given = "\n".join(case.line for case in cases) + "\n"
    ended = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=60, check=False, env=plain_environment()
    )
    assert ended.returncode == 0, ended.stderr
    found = [tuple(word == "true" for word in line.split()) for line in ended.stdout.splitlines()]
    expected = [(case.what, case.genuine) for case in cases]
    assert [(case.what, genuine) for case, genuine in zip(cases, found, strict=True)] == expected
