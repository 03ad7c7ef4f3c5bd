"""Where settings come from, and how a mistake in them is told: file, environment, flags, the later wins."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.config.database_url import without_password
from daemon.config.service_links import is_service_link
from daemon.domain.printable import one_line

ENV_PREFIX = "KAKIYO_WEBHOOKS_"
# Settings of the client commands: they share the prefix and are no settings of the daemon.
CLIENT_VARIABLES = frozenset(
    {"KAKIYO_WEBHOOKS_API_KEY", "KAKIYO_WEBHOOKS_API_URL", "KAKIYO_WEBHOOKS_CONFIG", "KAKIYO_WEBHOOKS_DEBUG"}
)

Tree = Mapping[str, Any]

_LONGEST_FILE = 1024 * 1024


class ConfigError(Exception):
    """A setting is wrong: the message names each one, says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place that settings come from: `name` is what a person calls it."""

    name: str
    tree: Tree
    from_environment: bool = False

    def describe(self, path: Sequence[str]) -> str:
        """Return where in this source the setting with this path stands."""
        return ENV_PREFIX + "__".join(path).upper() if self.from_environment else self.name


def file_source(file: Path) -> Source:
    """Read a TOML file. Raises ConfigError if it cannot be read or is not TOML."""
    text = _read(file)
    try:
        return Source(str(file), tomllib.loads(text))
    except ValueError as error:  # TOMLDecodeError is one, and so is what Python says of a number of 5,000 digits
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{file}: nested too deeply: no setting needs that") from None


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8-sig") as opened:  # editors begin files with a mark
            text = opened.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}): check the path given with --config") from None
    except ValueError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    if len(text) > _LONGEST_FILE:
        raise ConfigError(f"{file}: no configuration file: it has more than {_LONGEST_FILE} characters")
    return text


def environment_source(environment: Mapping[str, str]) -> Source:
    """Collect the variables with our prefix; `__` stands between levels, lists and tables are written as JSON."""
    tree: dict[str, Any] = {}
    for variable in sorted(environment):
        if variable.startswith(ENV_PREFIX) and not _is_of_others(variable, environment):
            *sections, name = _writable(variable.removeprefix(ENV_PREFIX)).lower().split("__")
            nested: dict[str, Any] = {name: _decode(environment[variable])}
            for section in reversed(sections):
                nested = {section: nested}
            tree = merge(tree, nested)
    return Source("environment", tree, from_environment=True)


def _writable(name: str) -> str:
    """Return a name that is not UTF-8 with its bytes escaped: so it can be told."""
    return name.encode("utf-8", "backslashreplace").decode()


def _is_of_others(variable: str, environment: Mapping[str, str]) -> bool:
    return variable in CLIENT_VARIABLES or is_service_link(variable.removeprefix(ENV_PREFIX), environment[variable])


def flags_source(flags: Tree) -> Source:
    """Take what was given on the command line."""
    return Source("command line", flags)


def _decode(text: str) -> Any:
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):  # text after all, such as the address [::1]:8480
            return text
    return text


def merge(base: Tree, over: Tree) -> dict[str, Any]:
    """Return `base` with what `over` says in its place, level by level."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


def explain(detail: Mapping[str, Any], sources: Sequence[Source], known: Sequence[str]) -> str:
    """Return one line for one mistake that pydantic found: where it stands, what is wrong, what was expected.

    `known` are the names that are settings where an unknown one was found.
    """
    path = [str(part) for part in detail["loc"]]
    origin = next((source for source in reversed(sources) if _holds(source.tree, detail["loc"])), None)
    where = f"{origin.describe(_names(detail['loc']))}: " if origin else ""
    return f"{where}{'.'.join(path)}: {_sentence(detail, origin, known)}"


def _sentence(detail: Mapping[str, Any], origin: Source | None, known: Sequence[str]) -> str:
    if detail["type"] == "extra_forbidden":
        return f"unknown setting: expected one of {', '.join(known)}"
    message = _message(detail, bool(origin and origin.from_environment))
    found = (
        ""
        if isinstance(detail["input"], Mapping)
        else f" (found {one_line(without_password(repr(detail['input'])), 80)})"
    )
    return f"{message[0].lower()}{message[1:]}{found}"


def _message(detail: Mapping[str, Any], from_environment: bool) -> str:
    match detail["type"]:
        case "tuple_type":
            return "expected a list, written as JSON" if from_environment else "expected a list"
        case "model_type":
            return f"expected a table: write its settings under [{detail['loc'][0]}]"
        case _:
            return str(detail["msg"]).removeprefix("Value error, ")


def _names(loc: Sequence[Any]) -> list[str]:
    """The part of a location that a variable's name has: what follows a list's index stands in its value."""
    names = []
    for part in loc:
        if not isinstance(part, str):
            break
        names.append(part)
    return names


def _holds(tree: Any, loc: Sequence[Any]) -> bool:
    for part in _names(loc):
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True
