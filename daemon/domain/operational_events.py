"""Operational events on their way from the transaction that causes them to the router, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daemon.domain.operations import OperationalType


@dataclass(frozen=True, slots=True)
class OperationalEvent:
    """An operational event in the outbox; its words are made when it is submitted.

    `id` names its cause and who is told, so that it is submitted once. `team_id` is whose webhooks are told,
    `about_team_id` whom it is about. `facts` are members of its data; `webhook_id` is None if it is about credits.
    """

    id: str
    team_id: str
    type: OperationalType
    about_team_id: str
    webhook_id: str | None
    facts: Mapping[str, Any]
    created_at: int
    about_team_name: str = ""
