"""The code for receivers in docs/receivers.md, taken from the page and run on what the daemon signs."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.crypto.signing import Secrets, generate_secret, signature_headers
from tests.docs.pages import only_block, section
from tests.support.programs import plain_environment, program

BODY = '{"event":"linkedin.message.received","teamId":"team_acme","data":{"message":"Grüße, 你好 👋"}}'.encode()
OWN_SECRET = "a secret of its own: ключ"
ID = "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n"

# Each program reads one JSON array of cases and writes one JSON array of booleans.
PHP = """
$cases = json_decode(file_get_contents('php://stdin'), true);
echo json_encode(array_map(fn ($case) => is_genuine($case['secret'], $case['body'], $case['signature']), $cases));
"""
RUBY = """
require "json"
puts JSON.parse($stdin.read).map { |one| genuine?(one["secret"], one["body"], one["signature"]) }.to_json
"""
NODE = """
import {{ readFileSync }} from "node:fs";
import {{ isGenuine, isGenuineAndFresh }} from "./receiver.mjs";
const cases = JSON.parse(readFileSync(0, "utf8"));
const check = (one) => {{
  const body = Buffer.from(one.body);
  return {call};
}};
console.log(JSON.stringify(cases.map(check)));
"""
GO = """
func main() {
	var cases []struct{ Secret, Body, Signature string }
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	results := []bool{}
	for _, one := range cases {
		results = append(results, isGenuine(one.Secret, []byte(one.Body), one.Signature))
	}
	json.NewEncoder(os.Stdout).Encode(results)
}
"""


@dataclass(frozen=True)
class Case:
    """A delivery as it arrives, and whether it is genuine."""

    what: str
    genuine: bool
    body: bytes = BODY
    secret: str = OWN_SECRET
    signature: str | None = None  # None: the one that the daemon makes of BODY
    sent_at: int = 0  # 0: now
    id: str = ID

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an attempt on BODY with this secret, in lower case as Node gives them."""
        sent_at = self.sent_at or int(time.time())
        signed = dict(signature_headers(Secrets(self.secret), ID, sent_at, BODY))
        given = {"webhook-id": self.id, "webhook-timestamp": str(sent_at), **signed}
        return {name.lower(): value for name, value in given.items()}

    @property
    def given(self) -> str:
        return self.headers["x-kakiyo-signature"] if self.signature is None else self.signature

    def as_json(self) -> dict[str, object]:
        headers = {
            name: value for name, value in self.headers.items() if self.signature is None or name != "webhook-signature"
        }
        return {"secret": self.secret, "body": self.body.decode(), "signature": self.given, "headers": headers}


OTHER = dict(signature_headers(Secrets("another secret"), ID, 0, BODY))["X-Kakiyo-Signature"]
CASES = [
    Case("what the daemon signs", True),
    Case("with a secret that was generated", True, secret=generate_secret()),
    Case("a body that was tampered with", False, body=BODY.replace(b"acme", b"evil")),
    Case("a body with one space more", False, body=BODY + b" "),
    Case("a signature with another secret", False, signature=OTHER),
    Case("a signature that is cut short", False, signature=OTHER[:10]),
    Case("a signature that is no hex", False, signature="ü" * 64),
    Case("no signature", False, signature=""),
]
NOW, STANDARD = int(time.time()), generate_secret()
STANDARD_CASES = [
    Case("what the daemon signs", True, secret=STANDARD),
    Case("a body that was tampered with", False, body=BODY.replace(b"acme", b"evil"), secret=STANDARD),
    Case("another id", False, secret=STANDARD, id="dlv_other"),
    Case("a delivery of an hour ago, played back", False, secret=STANDARD, sent_at=NOW - 3600),
    Case("a delivery from the future", False, secret=STANDARD, sent_at=NOW + 3600),
    Case("no signature", False, secret=STANDARD, signature=""),
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
    names: dict[str, Callable[[str, bytes, str], bool]] = {}
    exec(code("python"), names)  # the page's own code, on purpose
    is_genuine = names["is_genuine"]
    assert [(case.what, is_genuine(case.secret, case.body, case.given)) for case in CASES] == EXPECTED


@pytest.mark.parametrize(
    ("cases", "call"),
    [
        (CASES, "isGenuine(one.secret, body, one.signature)"),
        (STANDARD_CASES, "isGenuineAndFresh(one.secret, body, one.headers)"),
    ],
    ids=["X-Kakiyo-Signature", "webhook-signature"],
)
def test_the_node_code_tells_genuine_deliveries_from_others(tmp_path: Path, cases: list[Case], call: str) -> None:
    node = program("node")
    written(tmp_path / "receiver.mjs", code("js"))
    found = run(cases, node, written(tmp_path / "main.mjs", NODE.format(call=call)))
    assert found == [(case.what, case.genuine) for case in cases]


def test_the_node_code_takes_headers_that_are_not_there_for_a_forgery(tmp_path: Path) -> None:
    node = program("node")
    written(tmp_path / "receiver.mjs", code("js"))
    main = NODE.format(call="isGenuine(one.secret, body, undefined) || isGenuineAndFresh(one.secret, body, {})")
    assert run(CASES[:1], node, written(tmp_path / "main.mjs", main)) == [(CASES[0].what, False)]


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

    given = case.as_json()["headers"]
    assert isinstance(given, dict)
    try:
        Webhook(case.secret).verify(case.body, given)
    except WebhookVerificationError:
        assert not case.genuine
    else:
        assert case.genuine
