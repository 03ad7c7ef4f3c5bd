"""Cases of genuine and forged deliveries, and the programs that run the code of docs/receivers.md on them."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemon.crypto.signing import Secrets, signature_headers
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


Found = list[tuple[str, bool]]


@dataclass(frozen=True)
class Code:
    """The code of one section of the page, on these cases."""

    section: str
    cases: list[Case]

    def of(self, language: str) -> str:
        return only_block(section("docs/receivers.md", self.section), language)

    def in_python(self) -> Found:
        names: dict[str, Callable[[tuple[str, ...], bytes, dict[str, str]], bool]] = {}
        exec(self.of("python"), names)  # the page's own code, on purpose
        is_genuine = names["is_genuine"]
        return [(case.what, is_genuine(case.known, case.body, case.headers)) for case in self.cases]

    def in_node(self, folder: Path) -> Found:
        node = program("node")
        written(folder / "receiver.mjs", self.of("js"))
        return run(self.cases, node, written(folder / "main.mjs", NODE))

    def in_php(self, folder: Path) -> Found:
        return run(self.cases, program("php"), written(folder / "main.php", f"<?php\n{self.of('php')}{PHP}"))

    def in_ruby(self, folder: Path) -> Found:
        return run(self.cases, program("ruby"), written(folder / "main.rb", self.of("ruby") + RUBY))

    def in_go(self, folder: Path) -> Found:
        go = program("go")
        imports = 'package main\n\nimport (\n\t"encoding/json"\n\t"os"\n)\n\n'
        main = written(folder / "main.go", imports + self.of("go") + GO)
        # Where Go has not compiled its own library yet, to do it well takes half as long again.
        return run(self.cases, go, "run", "-gcflags=all=-N -l", "-ldflags=-s -w", main)
