"""What the API refuses, said in the words of the command that asked: its options, not fields; commands, not routes.

A field is the option of the same name, in the spelling of Python. Where the two differ, a table says so.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click

_OTHER_NAMES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "id": ("team_id",),
        "notification_emails": ("emails",),
        "secret": ("secret_file", "generate_secret"),
        "next_cursor": ("cursor",),
        "resumes_at": ("for_time", "until"),
        "expires_in_minutes": ("minutes",),
        "filter": ("all_of_them", "condition"),
        "timeout_s": ("timeout", "reset"),
        "retry_schedule": ("retries",),
        "password": ("proxy_password_file",),
        "headers": ("header", "secret_header"),
    }
)
_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "GET /v1/webhooks/test/events": "events types",
        "GET /v1/event-types": "event-types list",
        "GET /v1/webhooks/test/example/{event}": "events example TYPE",
        "GET /v1/events/{id}": "events show EVENT",
        "GET /v1/deliveries": "deliveries list",
        "GET /v1/webhooks": "webhooks list",
        "GET /v1/teams": "teams list",
    }
)
_ROUTE = re.compile(r"`?\b(?:GET|POST|PATCH|PUT|DELETE) /[\w/{}-]+`?")
_CAMEL_CASE = re.compile(r"`?\b[a-z]+(?:[A-Z][a-z]+)+\b`?")
_PATH = re.compile(r"(?:\$\.(?:filter\.)?|query\.|header\.)([\w-]+)(?:\[(\d+)\])?")
_SNAKE = re.compile(r"(?<=[a-z])(?=[A-Z])")


def explain(problem: Mapping[str, Any], key_from: str, context: click.Context | None) -> str:
    """Return what a problem document says, for whoever gave the command of `context`; `key_from` is where its key is.

    Raises AttributeError, KeyError or TypeError if it is none.
    """
    code = problem.get("code")
    if code == "unauthorized":
        return f"The daemon does not know the key from {key_from}: give one that is valid there ({code})"
    detail = str(problem.get("detail") or problem.get("title"))
    if code == "operator_only":
        detail = f"{detail} It is the one from {key_from}."
    mistakes = [_mistake(error, context) for error in problem.get("errors") or ()]
    if code == "invalid_field" and mistakes:
        detail = "The daemon refused this:"
    return "\n".join([f"{_in_own_words(detail, context)} ({code})", *(f"  {mistake}" for mistake in mistakes)])


def _mistake(error: Mapping[str, Any], context: click.Context | None) -> str:
    return f"{_place(error['path'], context)}: {_in_own_words(error['message'], context)}"


def _place(path: str, context: click.Context | None) -> str:
    """Return the option that a field came from, with the value if it has several; a field of a file stays as it is."""
    found = _PATH.fullmatch(path)
    parameter = _parameter(found[1], context) if found else None
    if found is None or parameter is None or context is None:
        return path
    values = context.params.get(str(parameter.name))
    index = int(found[2] or 0)
    several = found[2] and isinstance(values, tuple) and index < len(values)
    return f"{_spelling(parameter)} {values[index]}" if several and values else _spelling(parameter)


def _in_own_words(text: str, context: click.Context | None) -> str:
    with_commands = _ROUTE.sub(_command, text)
    return _CAMEL_CASE.sub(lambda found: _option(found[0], context), with_commands)


def _command(route: re.Match[str]) -> str:
    command = _COMMANDS.get(route[0].strip("`"))
    return f"`kakiyo-webhooks {command}`" if command else route[0]


def _option(word: str, context: click.Context | None) -> str:
    parameter = _parameter(word.strip("`"), context)
    return _spelling(parameter) if parameter else word


def _parameter(field: str, context: click.Context | None) -> click.Parameter | None:
    own = {parameter.name: parameter for parameter in context.command.params} if context else {}
    name = _SNAKE.sub("_", field).replace("-", "_").lower()
    return next((own[other] for other in (name, *_OTHER_NAMES.get(name, ())) if other in own), None)


def _spelling(parameter: click.Parameter) -> str:
    return parameter.opts[0] if isinstance(parameter, click.Option) else str(parameter.metavar)
