"""JSON as it goes over the wire: the base of all its models, times, cursors, pages (contract "HTTP API").

Each route file holds the models of its own routes.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api.http.errors import Code
from api.http.known import SubscribedEvent
from api.limits.sizes import MAX_PAGE
from daemon.domain.ages import parse_age
from daemon.domain.delivery_filter import parse_http_statuses
from daemon.domain.printable import is_harmless, is_visible

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_TIME = datetime.min.replace(tzinfo=UTC) - _EPOCH
_LAST_TIME = datetime.max.replace(tzinfo=UTC) - _EPOCH
_EXPECTED_TIME = "expected a time like 2025-07-15T10:30:00.000Z"
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:[0-5]\d)", re.ASCII | re.IGNORECASE)


# Joiners and variation selectors show only by their effect: next to ASCII, except for keycaps, they have none.
_JOINER = "[\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]"
_MISPLACED = re.compile(rf"(?:^|(?![0-9#*]\ufe0f\u20e3)[\x00-\x7f]|{_JOINER}{{2}}){_JOINER}")


def to_json(answer: BaseModel) -> str:
    """Return an answer as JSON; members that are not set are omitted."""
    return answer.model_dump_json(by_alias=True, exclude_unset=True)


class Input(BaseModel):
    """Base of what a client sends: camelCase names only, strict types, no unknown field.

    In a query, those that are `repeatable` may be given several times.
    """

    repeatable: ClassVar[frozenset[str]] = frozenset()

    # Validators are built when the first request needs them: building all of them would be a tenth of a start's time.
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Show no defaults: code generators treat a member with a default as required."""
        schema = handler(core_schema)
        _drop_defaults(handler.resolve_ref_schema(schema))
        return schema


class Output(BaseModel):
    """Base of what we answer."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True, defer_build=True
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Show an open object: clients must accept answers with members, and words, that they do not know yet."""
        schema = handler(core_schema)
        shown = handler.resolve_ref_schema(schema)
        shown.pop("additionalProperties", None)
        _drop_defaults(shown)
        for member in shown.get("properties", {}).values():
            _open_words(member, handler)
        return schema


def _open_words(member: JsonSchemaValue, handler: GetJsonSchemaHandler) -> None:
    """Have a member with a list of words take any other one, too."""
    choices = member.get("anyOf", [{name: member[name] for name in ("$ref", "enum", "type") if name in member}])
    if any("enum" in handler.resolve_ref_schema(choice) for choice in choices):
        for name in ("$ref", "enum", "type"):
            member.pop(name, None)
        member["anyOf"] = [*choices, {"type": "string"}]


def _drop_defaults(schema: JsonSchemaValue) -> None:
    for member in schema.get("properties", {}).values():
        member.pop("default", None)


def format_time(time_ms: int) -> str:
    """Return RFC 3339 in UTC with milliseconds and `Z` (contract "Payload and headers of a delivery")."""
    second, ms = divmod(time_ms, 1000)
    return f"{_format_second(second)}.{ms:03d}Z"


@lru_cache(maxsize=64)  # most are of this second
def _format_second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat()


def format_optional_time(time_ms: int | None) -> str | None:
    """Return the same, or None for no time."""
    return None if time_ms is None else format_time(time_ms)


def parse_time(value: object) -> int:
    """Return the milliseconds since the epoch of an RFC 3339 time with any offset; finer digits are truncated.

    A leap second, `23:59:60` in UTC on the last day of a month, is the last millisecond of that day.
    Raises ValueError for anything else, and for times outside the years 1 to 9999 in UTC.
    """
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError(_EXPECTED_TIME)
    is_leap_second = value[17:19] == "60"
    try:
        moment = datetime.fromisoformat(value[:17] + "59" + value[19:].upper() if is_leap_second else value.upper())
    except ValueError:
        raise ValueError(_EXPECTED_TIME) from None
    since_epoch = moment - _EPOCH
    if is_leap_second:
        since_epoch = _end_of_month(since_epoch)
    if not _FIRST_TIME <= since_epoch <= _LAST_TIME:
        raise ValueError("expected a time between the years 1 and 9999 in UTC")
    return since_epoch // timedelta(milliseconds=1)


def _end_of_month(since_epoch: timedelta) -> timedelta:
    next_second = timedelta(seconds=since_epoch // timedelta(seconds=1) + 1)
    if not (_FIRST_TIME <= next_second <= _LAST_TIME and next_second % timedelta(days=1) == timedelta(0)):
        raise ValueError(_EXPECTED_TIME)
    if (_EPOCH + next_second).day != 1:
        raise ValueError(_EXPECTED_TIME)
    return next_second - timedelta(milliseconds=1)


def parse_moment(value: object) -> int | timedelta:
    """Return the milliseconds of a time (see `parse_time`), or of an age such as `2h`, which `moment_ms` dates.

    Raises ValueError.
    """
    if isinstance(value, str) and (age := parse_age(value)) is not None:
        return age
    try:
        return parse_time(value)
    except ValueError as error:
        raise ValueError(f"{error}, or an age like 15m, 2h or 7d") from None


def moment_ms(moment: int | timedelta | None, now_ms: int) -> int | None:
    """Return the time of a moment in ms, None for none."""
    return now_ms - moment // timedelta(milliseconds=1) if isinstance(moment, timedelta) else moment


def parse_later_moment(value: object) -> int | timedelta:
    """Return the milliseconds of a time (see `parse_time`), or how long from now `2h` means. Raises ValueError."""
    if isinstance(value, str) and (age := parse_age(value)) is not None:
        return age
    try:
        return parse_time(value)
    except ValueError as error:
        raise ValueError(f"{error}, or how long from now, like 15m, 2h or 7d") from None


def later_ms(moment: int | timedelta | None, now_ms: int, most_days: int) -> int | None:
    """Return the time of a moment in ms, None for none. Raises ValueError unless it is to come, in so many days."""
    if moment is None:
        return None
    time = now_ms + moment // timedelta(milliseconds=1) if isinstance(moment, timedelta) else moment
    if not now_ms < time <= now_ms + timedelta(days=most_days) // timedelta(milliseconds=1):
        raise ValueError(f"expected a time to come, at most {most_days} days from now")
    return time


def _parse_limit(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) and 1 <= int(value) <= MAX_PAGE:
        return int(value)
    raise ValueError(f"expected a whole number from 1 to {MAX_PAGE}")


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _can_be_seen(value: str) -> str:
    if any(not is_harmless(character) for character in value):
        raise ValueError("expected no control or invisible characters")
    if not any(map(is_visible, value)):
        raise ValueError("expected at least one visible character")
    if _MISPLACED.search(value):
        raise ValueError("expected joiners and variation selectors only where a script or a symbol needs them")
    return value


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


TIME_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2025-07-15T10:30:00.000Z"]}
InputTime = Annotated[int, BeforeValidator(parse_time), WithJsonSchema(TIME_SCHEMA)]
InputMoment = Annotated[
    int | timedelta,
    BeforeValidator(parse_moment),
    WithJsonSchema({"type": "string", "examples": ["2025-07-15T10:30:00.000Z", "2h"]}),
]
LaterMoment = Annotated[
    int | timedelta,
    BeforeValidator(parse_later_moment),
    WithJsonSchema({"type": "string", "examples": ["2025-07-15T10:30:00.000Z", "2h"]}),
]
HttpStatuses = Annotated[
    Any,
    BeforeValidator(parse_http_statuses),
    WithJsonSchema({"type": "string", "pattern": "^[1-5]([0-9][0-9]|xx)$", "examples": ["503", "5xx"]}),
]
OutputTime = Annotated[str, WithJsonSchema(TIME_SCHEMA)]
Limit = Annotated[
    int, BeforeValidator(_parse_limit), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_PAGE})
]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_can_be_seen), BeforeValidator(_trimmed)]
Note = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_can_be_seen), BeforeValidator(_trimmed)]
EventTypes = Annotated[list[SubscribedEvent], Field(min_length=1), AfterValidator(_unique)]


class PageQuery(Input):
    """What every list takes."""

    limit: Limit = Field(50, description="How many items to answer with, at most; 50 if left out.")
    cursor: str | None = Field(
        None, description="The nextCursor of the previous page, with the same filters; none for the first."
    )


Item = TypeVar("Item", bound=Output)


class Page(Output, Generic[Item]):
    """One page of a list."""

    model_config = ConfigDict(json_schema_extra={"description": "One page of a list."})

    items: list[Item] = Field(description="The items of the list, in order.")
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last one.")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name the schema after its items."""
        return f"{params[0].__name__}Page"


class WrongField(Output):
    """One wrong field of a request."""

    path: str = Field(description="JSON path, `query.<name>` or `header.<name>`.", examples=["$.events[0]"])
    message: str = Field(description="What is wrong with it.")


class Problem(Output):
    """A refusal, as an RFC 9457 problem document."""

    type: str = Field(description="Always `about:blank`: use `code` to tell problems apart.")
    title: str = Field(description="The name of the HTTP status.")
    status: int = Field(description="The HTTP status.")
    code: Code = Field(description="Identifies the kind of refusal; it never changes.")
    detail: str = Field(description="One sentence: what is wrong and what to do.")
    errors: list[WrongField] = Field(default_factory=list, description="The invalid fields, if any.")
