"""Whether data meets the JSON Schema of its event type, told by the fields that do not (contract "Event types")."""

from collections.abc import Sequence

from api.http.errors import FieldError, wrong_field, wrong_fields
from api.http.json_body import field_path
from api.http.route import Call
from daemon.crypto.api_keys import OPERATOR
from daemon.domain.printable import one_line
from daemon.domain.submission import NewEvent, Submission
from daemon.schemas.validation import MOST_FAULTS, Fault, Group, TooCostly, WrongSchema

_LONGEST_PATH = 500
_LONGEST_WORDS = 300
_BEFORE_DATA = b',"data":'  # the names and times before it hold no such text: a quotation mark in one is escaped
_COSTLY = "it takes too long to check this against the schema of its type"


async def require_schemas(call: Call, submission: Submission, path: str) -> None:
    """Raise ApiError (422) for the data of events that do not meet the schemas of their types.

    `path` leads to each event, by its index.
    """
    checked = call.handles.event_types.known.checked
    if not checked:
        return
    places: dict[str, list[int]] = {}
    for index, event in enumerate(submission.events):
        if event.type in checked:
            places.setdefault(event.type, []).append(index)
    if not places:
        return
    groups = [
        Group(checked[name].schema or b"true", [_data_of(submission.events[index]) for index in indexes])
        for name, indexes in places.items()
    ]
    try:
        faults = await call.handles.event_types.validator.faults(submission.events[0].team_id, groups)
    except TooCostly:
        raise wrong_field(f"{path.format(0)}.data" if len(submission.events) == 1 else "$", _COSTLY) from None
    indexes_of = list(places.values())
    _raise(faults, [[f"{path.format(index)}.data" for index in indexes] for indexes in indexes_of])


async def require_schema(call: Call, schema: bytes | None, example: bytes) -> None:
    """Raise ApiError (422) for what is no JSON Schema that we take, and for an example that does not meet it."""
    if schema is None:
        return
    try:
        faults = await call.handles.event_types.validator.faults(OPERATOR, [Group(schema, [example])])
    except WrongSchema as error:
        raise wrong_field(_place("$.schema", error.path), one_line(error.words, _LONGEST_WORDS)) from None
    except TooCostly:
        raise wrong_field("$.schema", "it takes too long to check the example against it") from None
    _raise(faults, [["$.example"]])


def _data_of(event: NewEvent) -> bytes:
    """Return an event's data, as it came."""
    return event.body[event.body.index(_BEFORE_DATA) + len(_BEFORE_DATA) : -1]


def _raise(faults: Sequence[Fault], roots: Sequence[Sequence[str]]) -> None:
    """Raise ApiError (422) if there are any; `roots` are the paths of the values, by group and value."""
    if faults:
        errors = {_place(roots[fault.group][fault.value], fault.path): fault.words for fault in reversed(faults)}
        told = [FieldError(path, one_line(words, _LONGEST_WORDS)) for path, words in reversed(errors.items())]
        raise wrong_fields(told, are_more=len(faults) >= MOST_FAULTS)


def _place(root: str, path: Sequence[str | int]) -> str:
    return one_line(root + field_path(path), _LONGEST_PATH)
