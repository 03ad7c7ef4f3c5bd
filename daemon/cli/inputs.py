"""What commands read: secrets, JSON and NDJSON, from files and from standard input."""

import json
import os
import sys
from pathlib import Path

from daemon.cli.exits import CommandError, ExitCode

_STANDARD_INPUT = Path("-")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST = 16 * 1024 * 1024  # twice the longest body that the API takes


def read_bytes(file: Path) -> bytes:
    """Return the file's bytes; `-` is standard input.

    Raises CommandError (USAGE) when it cannot be read, or is longer than any request may be.
    """
    try:
        content = sys.stdin.buffer.read(_LONGEST + 1) if file == _STANDARD_INPUT else _read_file(file)
    except OSError as error:
        raise CommandError(f"{file}: cannot be read ({error.strerror}): check the path.", ExitCode.USAGE) from None
    if len(content) > _LONGEST:
        raise CommandError(f"{file}: is larger than any request may be: send less at once.", ExitCode.USAGE)
    return content


def read_json_bytes(file: Path) -> bytes:
    """Return what `read_bytes` does without a byte order mark, which is no part of JSON (RFC 8259, 8.1)."""
    return read_bytes(file).removeprefix(_BYTE_ORDER_MARK)


def _read_file(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_LONGEST + 1)


def read_secret(file: Path | None) -> str | None:
    """Return the secret in the file without its last line break, or a byte order mark; None for no file."""
    if file is None:
        return None
    try:
        return read_bytes(file).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise CommandError(f"{file}: the secret is not UTF-8 text: correct the file.", ExitCode.USAGE) from None


def read_json_text(argument: str) -> bytes:
    """Return the JSON text `{…}`, or that of `@file` or `-` (standard input), byte for byte.

    Raises CommandError (USAGE) when it is not one JSON text. What else is wrong with it is for the API to judge.
    """
    if argument == "-" or argument.startswith("@"):
        content = read_json_bytes(Path(argument.removeprefix("@")))
    else:
        content = os.fsencode(argument)
    try:
        json.loads(content.decode(), parse_int=str, parse_float=str)
    except UnicodeDecodeError as error:
        raise CommandError(f"The data is not UTF-8 text (byte {error.start}): correct it.", ExitCode.USAGE) from None
    except ValueError as error:
        raise CommandError(f"The data is not JSON ({error}): correct it.", ExitCode.USAGE) from None
    except RecursionError:
        return content  # the API says how deep it may be
    return content
