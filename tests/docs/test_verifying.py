"""The code for receivers in docs/receivers.md, taken from the page and run on what the daemon signs."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from daemon.crypto.signing import Secrets, generate_secret, signature_headers
from tests.docs.pages import only_block, section
from tests.support.programs import plain_environment, program

BODY = '{"event":"linkedin.message.received","teamId":"team_acme","data":{"message":"Grüße, 你好 👋"}}'.encode()
ID = "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n"

# Each program reads one JSON array of cases and writes one JSON array of booleans.
PHP = """
$cases = json_decode(file_get_contents('php://stdin'), true);
echo json_encode(array_map(fn ($case) => is_genuine($case['secrets'], $case['body'], $case['headers']), $cases));
"""
RUBY = """
require "json"
puts JSON.parse($stdin.read).map { |one| genuine?(one["secrets"], one["body"], one["headers"]) }.to_json
"""
NODE = """
import { readFileSync } from "node:fs";
import { isGenuine } from "./receiver.mjs";
const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map((one) => isGenuine(one.secrets, Buffer.from(one.body), one.headers))));
"""
GO = """
func main() {
	var cases []struct {
		Secrets []string
		Body    string
		Headers map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	results := []bool{}
	for _, one := range cases {
		header := func(name string) string { return one.Headers[strings.ToLower(name)] }
		results = append(results, isGenuine(one.Secrets, []byte(one.Body), header))
	}
	json.NewEncoder(os.Stdout).Encode(results)
}
"""


@dataclass(frozen=True)
class Case:
    """A delivery as it arrives, and whether it is genuine to a receiver that knows `known` secrets."""

    what: str
    genuine: bool
    signed_with: Secrets
    known: tuple[str, ...]
    body: bytes = BODY
    sent_at: int = 0  # 0: now
    other: Mapping[str, str | None] = field(default_factory=dict)  # headers that arrive otherwise; None: not at all

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an attempt on BODY, in lower case, as they arrive."""
        sent_at = self.sent_at or int(time.time())
        signed = dict(signature_headers(self.signed_with, ID, sent_at, BODY))
        given = {"webhook-id": ID, "webhook-timestamp": str(sent_at), **signed}
        arrived = {name.lower(): value for name, value in given.items()} | dict(self.other)
        return {name: value for name, value in arrived.items() if value is not None}

    def as_json(self) -> dict[str, object]:
        return {"secrets": self.known, "body": self.body.decode(), "headers": self.headers}


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


def code(language: str) -> str:
    return only_block(section("docs/receivers.md", "Verifying signatures"), language)


def run(cases: list[Case], *command: str) -> list[tuple[str, bool]]:
    """Run the program on the cases; return what it found."""
    given = json.dumps([case.as_json() for case in cases])
    ended = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=100, check=False, env=plain_environment()
    )
    assert ended.returncode == 0, ended.stderr
    return [(case.what, genuine) for case, genuine in zip(cases, json.loads(ended.stdout), strict=True)]


def written(file: Path, text: str) -> str:
    file.write_text(text, "utf-8")
    return str(file)


def test_the_python_code_tells_genuine_deliveries_from_others() -> None:
    names: dict[str, Callable[[tuple[str, ...], bytes, dict[str, str]], bool]] = {}
    exec(code("python"), names)  # the page's own code, on purpose
    is_genuine = names["is_genuine"]
    assert [(case.what, is_genuine(case.known, case.body, case.headers)) for case in CASES] == EXPECTED


def test_the_node_code_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    node = program("node")
    written(tmp_path / "receiver.mjs", code("js"))
    assert run(CASES, node, written(tmp_path / "main.mjs", NODE)) == EXPECTED


def test_the_php_code_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    php = program("php")
    assert run(CASES, php, written(tmp_path / "main.php", f"<?php\n{code('php')}{PHP}")) == EXPECTED


def test_the_ruby_code_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    ruby = program("ruby")
    assert run(CASES, ruby, written(tmp_path / "main.rb", code("ruby") + RUBY)) == EXPECTED


def test_the_go_code_tells_genuine_deliveries_from_others(tmp_path: Path) -> None:
    go = program("go")
    imports = 'package main\n\nimport (\n\t"encoding/json"\n\t"os"\n)\n\n'
    main = written(tmp_path / "main.go", imports + code("go") + GO)
    # Where Go has not compiled its own library yet, to do it well takes half as long again.
    assert run(CASES, go, "run", "-gcflags=all=-N -l", "-ldflags=-s -w", main) == EXPECTED


@pytest.mark.parametrize("case", STANDARD_CASES, ids=[case.what for case in STANDARD_CASES])
def test_the_published_python_library_tells_genuine_deliveries_from_others(case: Case) -> None:
    from standardwebhooks import Webhook, WebhookVerificationError

    try:
        Webhook(STANDARD).verify(case.body, case.headers)
    except (WebhookVerificationError, ValueError):  # it raises ValueError for what is no base64
        assert not case.genuine
    else:
        assert case.genuine
