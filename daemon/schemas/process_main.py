"""The process that validates against JSON Schemas: asked and answered in frames over its standard streams.

It runs as a file and imports nothing of the daemon. Each request has its share of CPU time; when that is over, the
kernel ends this process (`ITIMER_PROF`), whatever a schema and a value have made it do. A value is never fetched from
anywhere: what a schema refers to stands in it.
"""

import json
import resource
import signal
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import jsonschema_rs

_ASKED, _ANSWERED = struct.Struct(">dI"), struct.Struct(">I")  # CPU seconds and a length; a length
_OUT_OF_MEMORY = 3
_MOST_MEMORY = 1 << 30
_MOST_KEPT = 200
_REGEX = jsonschema_rs.RegexOptions(size_limit=1 << 18, dfa_size_limit=1 << 20)
_Validators = dict[str, jsonschema_rs.Draft202012Validator]


def main() -> None:
    """Answer requests until the daemon closes the stream."""
    for ignored in (signal.SIGINT, signal.SIGTERM):  # of a terminal, or of all processes of the service
        signal.signal(ignored, signal.SIG_IGN)
    for what, most in ((resource.RLIMIT_AS, _MOST_MEMORY), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    sys.set_int_max_str_digits(0)  # the share of CPU time bounds them, too
    validators: _Validators = {}
    while head := sys.stdin.buffer.read(_ASKED.size):
        cpu_s, length = _ASKED.unpack(head)
        request = sys.stdin.buffer.read(length)
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        try:
            answer = json.dumps(_answer(validators, json.loads(request, parse_float=Decimal))).encode()
        except MemoryError:
            sys.exit(_OUT_OF_MEMORY)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(_ANSWERED.pack(len(answer)) + answer)
        sys.stdout.buffer.flush()


def _answer(validators: _Validators, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first faults of all values, each by the numbers of its schema and value; or why a schema is none."""
    faults: list[tuple[int, int, Sequence[str | int], str]] = []
    for number, group in enumerate(request["groups"]):
        try:
            validator = _validator(validators, group["key"], group["schema"])
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            return {"wrong": number, "path": _path(error), "message": _message(error)}
        for place, value in enumerate(group["values"]):
            left = request["most"] - len(faults)
            if left and not validator.is_valid(value):
                faults += islice(((number, place, path, words) for path, words in _faults(validator, value)), left)
    return {"faults": faults}


def _validator(validators: _Validators, key: str, schema: Any) -> jsonschema_rs.Draft202012Validator:
    if key not in validators:
        if len(validators) >= _MOST_KEPT:
            validators.clear()
        validators[key] = jsonschema_rs.Draft202012Validator(
            schema, offline=True, validate_formats=True, pattern_options=_REGEX, mask="it"
        )
    return validators[key]


def _faults(validator: jsonschema_rs.Draft202012Validator, value: Any) -> Iterator[tuple[Sequence[str | int], str]]:
    for error in validator.iter_errors(value):
        match error.kind:
            case jsonschema_rs.ValidationErrorKind.Required(name):
                yield [*error.instance_path, name], "is missing"
            case jsonschema_rs.ValidationErrorKind.AdditionalProperties(names):
                for name in names:
                    yield [*error.instance_path, name], "is not in the schema"
            case _:
                yield error.instance_path, _message(error)


def _path(error: Exception) -> Sequence[str | int]:
    return error.instance_path if isinstance(error, jsonschema_rs.ValidationError) else ()


def _message(error: Exception) -> str:
    return str(getattr(error, "message", error)).removeprefix("it ")


if __name__ == "__main__":
    main()
