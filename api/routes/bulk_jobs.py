"""Bulk jobs: many deliveries resent or cancelled for one request (contract "Bulk jobs")."""

from http import HTTPStatus
from typing import Annotated

from pydantic import Field

from api.http.auth import one_team, owned, tell_team
from api.http.cursors import page_of, position_of
from api.http.errors import Code, wrong_field
from api.http.idempotency import once
from api.http.known import OneTeam
from api.http.query import period_of
from api.http.route import Call, Route, json_body
from api.http.wire import (
    Input,
    Output,
    OutputTime,
    Page,
    PageQuery,
    format_optional_time,
    format_time,
)
from api.limits.rate_limit import tokens_for
from api.limits.sizes import MAX_NAMED
from api.routes.delivery_choice import DeliveryChoice, filter_meant
from daemon.domain import bulk_jobs
from daemon.domain.bulk_jobs import BulkAction, BulkJobStatus, Choice
from daemon.domain.delivery_filter import DeliveryFilter, filter_in_words
from daemon.domain.model import DeliveryStatus, OutcomeKind
from daemon.store.reads import bulk_job_reads

_DeliveryId = Annotated[str, Field(min_length=1, max_length=200)]


class NewBulkJob(Input):
    """What to do with which deliveries: either `filter` or `deliveryIds` says which."""

    action: BulkAction = Field(
        description="`resend` those that have ended, or `cancel` those that are pending.", strict=False
    )
    filter: DeliveryChoice | None = Field(
        None, description="All that the list of deliveries shows with the same filter; `{}` means all of the team's."
    )
    delivery_ids: list[_DeliveryId] | None = Field(
        None, description="These; an id that is none of the team's is left out.", min_length=1, max_length=MAX_NAMED
    )
    team_id: OneTeam = Field(None, description="Whose deliveries. A team's key may leave it out.")


class BulkJobPreview(Output):
    """How many deliveries a job would be for."""

    action: BulkAction = Field(description="What it would do.")
    count: int = Field(description="How many it would be for now; if not `isExact`, at least so many.")
    is_exact: bool = Field(description="Whether it is exactly so many: if not, there were too many to count.")


class JobFilter(Output):
    """What was asked for."""

    webhook_id: str | None = Field(description="Only those to this webhook.")
    event_id: str | None = Field(description="Only those of this event.")
    status: list[DeliveryStatus] | None = Field(description="Only those in these states.")
    event: str | None = Field(description="Only those of this event type.")
    outcome: OutcomeKind | None = Field(description="Only those whose last attempt ended so.")
    http_status: str | None = Field(description="Only those whose last attempt was answered so.")
    since: OutputTime | None = Field(description="Only those created at this time or later.")
    until: OutputTime | None = Field(description="Only those created at this time or earlier.")


class BulkJob(Output):
    """Many deliveries that are resent or cancelled, one page after the other."""

    id: str = Field(description="The job's id.")
    team_id: str = Field(description="Whose deliveries they are.")
    action: BulkAction = Field(description="What is done with each.")
    status: BulkJobStatus = Field(description="Whether it is `running`, has `finished`, or was `cancelled` before.")
    filter: JobFilter | None = Field(description="Which deliveries it is for; null if they were named one by one.")
    total: int | None = Field(description="How many it was for when it was asked for; null if too many to count.")
    done: int = Field(description="How many it has resent or cancelled so far.")
    skipped: int | None = Field(
        description="How many it left out, since they could no longer be resent or cancelled; null before it has "
        "finished, and if nobody knows."
    )
    created_by: str = Field(description="What the key is called that asked for it.")
    created_at: OutputTime = Field(description="When it was asked for.")
    ended_at: OutputTime | None = Field(description="When it had finished or was cancelled.")


class BulkJobQuery(PageQuery):
    """Whose jobs, and which page."""

    team_id: OneTeam = Field(None, description="Whose jobs. A team's key may leave it out.")


async def preview_bulk_job(call: Call, body: NewBulkJob) -> BulkJobPreview:
    """Count what a job would be for; do nothing."""
    choice = await _chosen(call, body)
    counted = await call.handles.bulk_jobs.count(choice)
    call.charge(tokens_for(rows=counted.looked_at))
    return BulkJobPreview(action=body.action, count=counted.count, is_exact=counted.is_exact)


async def create_bulk_job(call: Call, body: NewBulkJob) -> BulkJob:
    """Add a job."""
    choice = await _chosen(call, body)
    counted = await call.handles.bulk_jobs.count(choice)
    call.charge(tokens_for(rows=counted.looked_at))
    job = await call.handles.bulk_jobs.create(choice, counted, once=once(call, show_bulk_job), by=call.by)
    if body.action is BulkAction.RESEND:
        call.charge(tokens_for(deliveries=counted.count))
    return show_bulk_job(job)


async def list_bulk_jobs(call: Call, query: BulkJobQuery) -> Page[BulkJob]:
    """Answer with a team's jobs, newest first."""
    team_id = await one_team(call, query.team_id, "query.teamId")
    found = await call.handles.reader.fetch(
        bulk_job_reads.list_bulk_jobs, team_id, query.limit, position_of(call, query.cursor)
    )
    return page_of(call, [show_bulk_job(job) for job in found.items], found.next_cursor)


async def get_bulk_job(call: Call, job_id: str) -> BulkJob:
    """Answer with a job as it stands."""
    return show_bulk_job(await _found(call, job_id))


async def cancel_bulk_job(call: Call, job_id: str) -> BulkJob:
    """End a job before it has finished; what it has done stays."""
    return show_bulk_job(await call.handles.bulk_jobs.end(await _found(call, job_id), by=call.by))


async def _found(call: Call, job_id: str) -> bulk_jobs.BulkJob:
    return owned(call, await call.handles.reader.fetch(bulk_job_reads.get_bulk_job, job_id), "bulk job")


async def _chosen(call: Call, body: NewBulkJob) -> Choice:
    team_id = await one_team(call, body.team_id, "$.teamId")
    if (body.filter is None) == (body.delivery_ids is None):
        raise wrong_field("$.filter", "expected either filter or deliveryIds: leave one of them out")
    wanted, named = DeliveryFilter(team_id=team_id), None
    if body.filter is not None:
        since, until = period_of(
            body.filter.since, body.filter.until, call.handles.now_ms(), until_path="$.filter.until"
        )
        wanted = filter_meant(body.filter, team_id, since=since, until=until)
    if body.delivery_ids is not None:
        named = tuple(dict.fromkeys(body.delivery_ids))
    return await call.handles.bulk_jobs.choose(team_id, body.action, wanted=wanted, delivery_ids=named)


def show_bulk_job(job: bulk_jobs.BulkJob) -> BulkJob:
    """Return a job as it appears in JSON."""
    return BulkJob(
        id=job.id,
        team_id=job.team_id,
        action=job.action,
        status=job.status,
        filter=None if job.by_id else _show_filter(job.choice.wanted),
        total=job.total,
        done=job.done,
        skipped=job.skipped,
        created_by=job.key_name,
        created_at=format_time(job.created_at),
        ended_at=format_optional_time(job.ended_at),
    )


def _show_filter(wanted: DeliveryFilter) -> JobFilter:
    words = filter_in_words(wanted)
    return JobFilter(
        webhook_id=wanted.webhook_id,
        event_id=wanted.event_id,
        status=list(wanted.statuses) or None,
        event=wanted.event_type,
        outcome=wanted.outcome,
        http_status=words.get("httpStatus"),
        since=words.get("since"),
        until=words.get("until"),
    )


_EXAMPLE = {
    "id": "job_01k0a3bq5y9a1c3e5g7j9m1p3r",
    "teamId": "team_acme",
    "action": "resend",
    "status": "running",
    "filter": {
        "webhookId": "wh_01jzy8h2k4n6q8s0v2x4z6b8d0",
        "eventId": None,
        "status": ["failed"],
        "event": None,
        "outcome": None,
        "httpStatus": "5xx",
        "since": "2025-07-15T08:30:00.000Z",
        "until": None,
    },
    "total": 1200,
    "done": 500,
    "skipped": None,
    "createdBy": "Backend",
    "createdAt": "2025-07-15T10:30:00.120Z",
    "endedAt": None,
}
_TAG = "Deliveries"
_BODY = json_body(
    NewBulkJob,
    {
        "action": "resend",
        "filter": {
            "webhookId": "wh_01jzy8h2k4n6q8s0v2x4z6b8d0",
            "status": ["failed"],
            "httpStatus": "5xx",
            "since": "2h",
        },
    },
    tell=tell_team,
)

ROUTES = (
    Route(
        "POST",
        "/v1/bulk-jobs/preview",
        preview_bulk_job,
        tag=_TAG,
        summary="Count what a bulk job would be for",
        description="Takes the same as making one, and does nothing: show it to a person before you make the job.",
        body=_BODY,
        answer=BulkJobPreview,
        example={"action": "resend", "count": 1200, "isExact": True},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "POST",
        "/v1/bulk-jobs",
        create_bulk_job,
        tag=_TAG,
        summary="Resend or cancel many deliveries",
        description=(
            "`resend` takes those that match and have ended, and queues each again once, oldest first; `cancel` takes "
            "those that are pending, but one whose attempt is in flight. It is for what is there now, runs in the "
            "background and survives restarts: GET /v1/bulk-jobs/{id} tells how far it is. A resend is for 100,000 "
            "deliveries at most, and 5 jobs of a team run at once."
        ),
        body=_BODY,
        status=HTTPStatus.ACCEPTED,
        answer=BulkJob,
        example=_EXAMPLE,
        refusals=(Code.NOT_FOUND, Code.BULK_JOB_QUOTA, Code.TOO_MANY_DELIVERIES),
        once=True,
    ),
    Route(
        "GET",
        "/v1/bulk-jobs",
        list_bulk_jobs,
        tag=_TAG,
        summary="List bulk jobs",
        description="A team's, newest first; the last 1,000 are kept.",
        query=BulkJobQuery,
        answer=Page[BulkJob],
        example={"items": [_EXAMPLE], "nextCursor": None},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "GET",
        "/v1/bulk-jobs/{job_id}",
        get_bulk_job,
        tag=_TAG,
        summary="Look at a bulk job",
        description="What it is for, and how far it is.",
        answer=BulkJob,
        example=_EXAMPLE,
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "POST",
        "/v1/bulk-jobs/{job_id}/cancel",
        cancel_bulk_job,
        tag=_TAG,
        summary="Cancel a bulk job",
        description="Ends it before it has finished. What it has done stays; one that is over stays as it is.",
        answer=BulkJob,
        example={**_EXAMPLE, "status": "cancelled", "endedAt": "2025-07-15T10:30:02.500Z"},
        refusals=(Code.NOT_FOUND,),
    ),
)
