"""What commands read: secrets, JSON and NDJSON, from files and from standard input."""

import json
import sys
from pathlib import Path
from typing import Any

from daemon.cli.exits import CommandError, ExitCode

_STANDARD_INPUT = Path("-")


def read_bytes(file: Path) -> bytes:
    """Return the file's bytes; `-` is standard input. Raises CommandError (USAGE) when it cannot be read."""
    try:
        return sys.stdin.buffer.read() if file == _STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: cannot be read ({error.strerror}): check the path.", ExitCode.USAGE) from None


def read_secret(file: Path | None) -> str | None:
    """Return the secret in the file without its last line break; None for no file."""
    if file is None:
        return None
    try:
        return read_bytes(file).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise CommandError(f"{file}: the secret is not UTF-8 text: correct the file.", ExitCode.USAGE) from None


def read_json(argument: str) -> Any:
    """Return the value of `{…}`, `@file` or `-` (standard input). Raises CommandError (USAGE) when it is not JSON."""
    if argument == "-" or argument.startswith("@"):
        text = read_bytes(Path(argument.removeprefix("@")))
    else:
        text = argument.encode()
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"The data is not JSON ({error}): correct it.", ExitCode.USAGE) from None
