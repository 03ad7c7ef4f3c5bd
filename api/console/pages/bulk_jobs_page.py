"""Bulk jobs: a page says how many deliveries they are for and asks, another one follows them."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import orjson
from quart import Response

from api.console.pages.delivery_filter import read_filter
from api.console.pages.lists import cursor, position
from api.console.pages.live import Parts, live
from api.console.session.page_request import PageRequest
from api.console.session.refusals import page_not_found
from api.http.auth import owned
from api.http.errors import from_daemon
from api.http.idempotency import answered_once
from api.http.json_body import validate
from api.http.streamed import Streamed
from api.limits.sizes import MAX_NAMED
from api.routes.bulk_jobs import (
    BulkJobPreview,
    NewBulkJob,
    cancel_bulk_job,
    create_bulk_job,
    preview_bulk_job,
)
from daemon.crypto.idempotency import scope_of
from daemon.domain.bulk_jobs import BulkAction, BulkJob
from daemon.domain.delivery_filter import DeliveryFilter, filter_in_words
from daemon.domain.errors import TooManyBulkJobs, TooManyDeliveries
from daemon.domain.submission import Idempotency
from daemon.store.reads import bulk_job_reads, console_reads

_PAGE = 50
_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "webhookId": "Webhook",
        "eventId": "Event",
        "status": "State",
        "event": "Event type",
        "outcome": "Result",
        "httpStatus": "Result",
        "since": "From",
        "until": "To",
    }
)


async def ask(request: PageRequest) -> Response:
    """Say how many deliveries are meant, those that were ticked or all that the filter shows, and ask."""
    wants_all = request.query("all")
    named = "" if wants_all else request.query("ticked") or BulkAction.RESEND
    action = _action(named or wants_all)
    ids = list(dict.fromkeys(request.call.request.args.getlist("id")))[:MAX_NAMED]
    chosen = read_filter(request)
    if chosen.mistakes:
        raise page_not_found()
    asked = {"deliveryIds": ids} if named else {"filter": filter_in_words(chosen.wanted)}
    preview = None
    if ids or not named:
        preview = await preview_bulk_job(request.call, _body(request, {"action": action, **asked}))
    return await _asking(request, action, asked=asked, preview=preview, wanted=None if named else chosen.wanted)


async def _asking(
    request: PageRequest,
    action: BulkAction,
    *,
    asked: Mapping[str, Any],
    preview: BulkJobPreview | None,
    wanted: DeliveryFilter | None,
    refusal: str = "",
) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if refusal else HTTPStatus.OK
    return await request.page(
        "bulk_job_new.html",
        status,
        action=action,
        asked=orjson.dumps({"action": action, **asked}).decode(),
        key=secrets.token_urlsafe(16),
        preview=preview,
        facts=None if wanted is None else await _facts(request, wanted),
        refusal=refusal,
    )


async def create(request: PageRequest) -> Response:
    """Add the job that was asked for: the same form sent again leads to the same job."""
    try:
        asked = orjson.loads(request.form.text("asked"))
    except orjson.JSONDecodeError:
        raise page_not_found() from None
    body, idempotency = _body(request, asked), _idempotency(request)
    call = replace(request.call, idempotency=idempotency)
    try:
        answer = await answered_once(call, idempotency, lambda: create_bulk_job(call, body))
    except (TooManyBulkJobs, TooManyDeliveries) as error:
        preview = await preview_bulk_job(request.call, body)
        given = {name: value for name, value in asked.items() if name != "action"}
        refusal = from_daemon(error).detail
        return await _asking(request, body.action, asked=given, preview=preview, wanted=None, refusal=refusal)
    job_id = orjson.loads(answer)["id"] if isinstance(answer, bytes) else getattr(answer, "id", "")
    return request.done(request.path("bulk-jobs", job_id), "bulk-job-created")


async def cancel(request: PageRequest, job_id: str) -> Response:
    """End the job before it has finished."""
    await cancel_bulk_job(request.call, job_id)
    return request.done(request.path("bulk-jobs", job_id), "bulk-job-cancelled")


async def show_bulk_job(request: PageRequest, job_id: str) -> Response:
    """Show a job as it stands."""
    return await request.page("bulk_job.html", **await _values(request, job_id))


async def follow_bulk_job(request: PageRequest, job_id: str) -> Streamed:
    """Stream the job's progress."""
    job = await _find(request, job_id)

    async def make_parts() -> Parts:
        token = request.context.sessions.form_token(request.session)
        values = await _values(request, job_id)
        return {"job-state": await request.fragment("bulk_job_state.html", form_token=token, **values)}

    return live(request, job.id, make_parts)


async def show_bulk_jobs(request: PageRequest) -> Response:
    """Show the team's jobs, newest first."""
    found = await request.handles.reader.fetch(
        bulk_job_reads.list_bulk_jobs, request.team_id, _PAGE, position(request, "bulk jobs")
    )
    following = cursor(request, "bulk jobs", found.next_cursor)
    return await request.page(
        "bulk_jobs.html",
        jobs=found.items,
        first_page=request.path("bulk-jobs") if request.query("cursor") else "",
        next_page=request.path("bulk-jobs", cursor=following) if found.next_cursor else "",
    )


async def _values(request: PageRequest, job_id: str) -> dict[str, Any]:
    job = await _find(request, job_id)
    return {"job": job, "facts": None if job.by_id else await _facts(request, job.choice.wanted)}


async def _find(request: PageRequest, job_id: str) -> BulkJob:
    found = await request.handles.reader.fetch(bulk_job_reads.get_bulk_job, job_id)
    job = owned(request.call, found, "bulk job")
    if job.team_id != request.team_id:
        raise page_not_found()
    return job


async def _facts(request: PageRequest, wanted: DeliveryFilter) -> list[tuple[str, Any]]:
    """Return what a filter asks for: labels, and words or, for times, milliseconds."""
    words: dict[str, Any] = {**filter_in_words(wanted), "since": wanted.since, "until": wanted.until}
    if wanted.webhook_id is not None:
        names = await request.handles.reader.fetch(console_reads.webhook_names, {wanted.webhook_id})
        words["webhookId"] = names.get(wanted.webhook_id, wanted.webhook_id)
    if wanted.statuses:
        words["status"] = " or ".join(wanted.statuses)
    return [(_LABELS[name], value) for name, value in words.items() if value is not None]


def _action(word: str) -> BulkAction:
    try:
        return BulkAction(word)
    except ValueError:
        raise page_not_found() from None


def _body(request: PageRequest, asked: Any) -> NewBulkJob:
    """Return the request that the API would be sent. Raises ApiError (422)."""
    team = {"teamId": request.team_id}
    return validate({**asked, **team} if isinstance(asked, dict) else asked, NewBulkJob, request.call.known)


def _idempotency(request: PageRequest) -> Idempotency:
    """Return what a form that is sent twice has in common."""
    given = f"{request.session.id} {request.form.text('key')}\n{request.form.text('asked')}"
    digest = sha256(given.encode())
    return Idempotency(scope_of(request.call.principal.team_id), f"console-{digest.hexdigest()}", digest.digest())
