"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome: a sentence about what is so, and one about what to do, if anything is to be done."""

    check: str
    verdict: Verdict
    message: str
    advice: str = ""


def ok(check: str, message: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Verdict.OK, message)


def warning(check: str, message: str, advice: str) -> Finding:
    """It works, and may not for long."""
    return Finding(check, Verdict.WARNING, message=message, advice=advice)


def failed(check: str, message: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.FAILED, message=message, advice=advice)


def skipped(check: str, message: str) -> Finding:
    """It cannot be told here, or is not in use."""
    return Finding(check, Verdict.SKIPPED, message)
