"""Erasing an event over the API (contract "Erasing")."""

from http import HTTPStatus

from pydantic import Field

from api.http.auth import owned
from api.http.errors import Code, not_found
from api.http.route import Call, Route
from api.http.wire import Output, OutputTime, format_time
from daemon.domain.model import Event
from daemon.store.reads import api_reads, erasure_reads


class ErasedEvent(Output):
    """An event that was erased."""

    id: str = Field(description="The event's id.")
    erased_at: OutputTime = Field(description="When it was erased, at first.")
    erasing: bool = Field(description="Whether something that was answered to its deliveries is still to go.")


async def erase_event(call: Call, event_id: str) -> ErasedEvent:
    """Erase an event: its body at once, what was answered to its deliveries soon."""
    event = owned(call, await call.handles.reader.fetch(api_reads.get_event, event_id), "event")
    erased = await call.handles.erasing.erase(event, by=call.by)
    if erased.erased_at is None:  # retention has deleted it meanwhile
        raise not_found("event")
    return ErasedEvent(
        id=erased.id, erased_at=format_time(erased.erased_at), erasing=await is_being_erased(call, erased)
    )


async def is_being_erased(call: Call, event: Event) -> bool:
    """Return whether an event was erased, and something of it is still to go."""
    if event.erased_at is None:
        return False
    return await call.handles.reader.fetch(erasure_reads.is_being_erased, event.id)


ROUTES = (
    Route(
        "DELETE",
        "/v1/events/{event_id}",
        erase_event,
        tag="Events",
        summary="Erase an event",
        description=(
            "Its body is gone when this is answered; what receivers answered to its deliveries follows within moments "
            "(`erasing`). What waits of it is cancelled (`erased`); an attempt in flight may finish. That it happened "
            "stays: the event without its body, its deliveries and how they ended. It cannot be undone. It may be "
            "repeated."
        ),
        status=HTTPStatus.ACCEPTED,
        answer=ErasedEvent,
        example={"id": "evt_01k0a3bq5t8v2x4z6c8e0g2j4m", "erasedAt": "2025-07-16T08:00:00.000Z", "erasing": True},
        refusals=(Code.NOT_FOUND,),
    ),
)
