"""The events that the bench submits: 50 teams in turn, each with a payload of a message's size."""

import json
from pathlib import Path
from typing import Any

TEAMS = 50
EVENT_TYPE = "linkedin.message.received"
_DATA = {
    "agentId": "agent_7hq2m9x4kd",
    "campaignId": "campaign_3w8r5t1zpn",
    "chatId": "chat_9v6b2c8ylf",
    "prospectId": "prospect_4j1s7g3aeu",
    "message": "Yes, we are. Could you show me a short demo on Thursday?",
}


def team_of(number: int) -> str:
    """Return the id of the team that the event with this number is for."""
    return f"team_{number % TEAMS}"


def event(number: int) -> dict[str, Any]:
    """Return the JSON that submits an event; its number stands in its data."""
    return {"event": EVENT_TYPE, "teamId": team_of(number), "data": {"n": number, **_DATA}}


def write_singles(path: Path) -> Path:
    """Write a line for each team: an event."""
    path.write_text("".join(json.dumps(event(number)) + "\n" for number in range(TEAMS)), "utf-8")
    return path


def write_batch(path: Path, size: int) -> Path:
    """Write one line: a batch of so many events, over all teams."""
    path.write_text(json.dumps([event(number) for number in range(size)]) + "\n", "utf-8")
    return path
