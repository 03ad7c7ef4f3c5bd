"""Rows of bulk jobs to values and back."""

from typing import Any

import orjson
from sqlalchemy import Row

from daemon.domain.bulk_jobs import BulkAction, BulkJob, BulkJobStatus, Choice
from daemon.domain.delivery_filter import filter_from, members_of
from daemon.store.rows import check_row, to_json


def bulk_job(row: Row[Any]) -> BulkJob:
    """Return the BulkJob of a row of `bulk_jobs`."""
    check_row("bulk_jobs", row)
    choice = Choice(
        team_id=row.team_id,
        action=BulkAction(row.action),
        wanted=filter_from(row.team_id, orjson.loads(row.wanted)),
        seqs=None if row.seqs is None else orjson.loads(row.seqs),
        through_seq=row.through_seq,
        asked_at=row.created_at,
    )
    return BulkJob(
        seq=row.seq,
        id=row.id,
        choice=choice,
        by_id=row.by_id,
        status=BulkJobStatus(row.status),
        total=row.total,
        done=row.done,
        after_seq=row.after_seq,
        created_at=row.created_at,
        ended_at=row.ended_at,
        key_id=row.key_id,
        key_name=row.key_name,
    )


def bulk_job_row(job: BulkJob) -> dict[str, Any]:
    """Return the columns of `bulk_jobs` for a new BulkJob, but for its `seq`."""
    choice = job.choice
    return {
        "id": job.id,
        "team_id": choice.team_id,
        "action": choice.action,
        "wanted": to_json(members_of(choice.wanted)),
        "by_id": job.by_id,
        "seqs": None if choice.seqs is None else to_json(choice.seqs),
        "through_seq": choice.through_seq,
        "status": job.status,
        "total": job.total,
        "done": job.done,
        "after_seq": job.after_seq,
        "created_at": job.created_at,
        "ended_at": job.ended_at,
        "key_id": job.key_id,
        "key_name": job.key_name,
    }
