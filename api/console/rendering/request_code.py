"""Code that calls a route: with curl, in Python and in TypeScript, as it can be copied and run."""

import json
import shlex
from dataclasses import dataclass
from pprint import pformat
from textwrap import indent
from typing import Any

from api.console.rendering.verification import Snippet

_WIDTH = 76


@dataclass(frozen=True, slots=True)
class Example:
    """One request: `answers_with` is the media type of the answer, "" if it has no body."""

    method: str
    url: str
    body: Any
    answers_with: str

    @property
    def answers_json(self) -> bool:
        """Whether the answer is JSON."""
        return self.answers_with == "application/json"


def request_code(example: Example) -> tuple[Snippet, ...]:
    """Return the code of a request in each language; the key comes from the environment."""
    return (
        Snippet("curl", _curl(example)),
        Snippet("Python", _python(example)),
        Snippet("TypeScript", _typescript(example)),
    )


def _curl(example: Example) -> str:
    method = "" if example.method == "GET" else f"-X {example.method} "
    lines = [f"curl {method}{shlex.quote(example.url)}", '-H "Authorization: Bearer $KAKIYO_API_KEY"']
    if example.body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(_json(example.body))}"]
    return " \\\n  ".join(lines)


def _python(example: Example) -> str:
    call = f"httpx.{example.method.lower()}("
    arguments = [f'"{example.url}"', """headers={"Authorization": f"Bearer {os.environ['KAKIYO_API_KEY']}"}"""]
    if example.body is not None:
        arguments.append("json=" + indent(pformat(example.body, width=_WIDTH, sort_dicts=False), " " * 9).strip())
    lines = ["import os", "", "import httpx", "", f"answer = {call}"]
    lines += [*(f"    {argument}," for argument in arguments), ")", "answer.raise_for_status()"]
    if example.answers_with:
        lines.append(f"print(answer.{'json()' if example.answers_json else 'text'})")
    return "\n".join(lines)


def _typescript(example: Example) -> str:
    fields = ["Authorization: `Bearer ${process.env.KAKIYO_API_KEY}`"]
    options = [f'  method: "{example.method}",']
    if example.body is not None:
        fields.append('"Content-Type": "application/json"')
    options.append(f"  headers: {{ {', '.join(fields)} }},")
    if example.body is not None:
        options.append(f"  body: JSON.stringify({indent(_json(example.body), '  ').strip()}),")
    lines = [f'const answer = await fetch("{example.url}", {{', *options, "});"]
    lines.append("if (!answer.ok) throw new Error((await answer.json()).detail);")
    if example.answers_with:
        lines.append(f"console.log(await answer.{'json' if example.answers_json else 'text'}());")
    return "\n".join(lines)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
