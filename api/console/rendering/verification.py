"""Code that verifies a delivery's signature, for users to copy (receivers "Verifying signatures")."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

_LANGUAGES = (
    ("Standard Webhooks", "standard_webhooks.txt"),  # first: the only one that works throughout a rotation
    ("Python", "verify.py"),
    ("JavaScript", "verify.mjs"),
    ("PHP", "verify.php"),
    ("Ruby", "verify.rb"),
    ("Go", "verify.go"),
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A few lines of code in one language, or with the published libraries."""

    language: str
    code: str


@cache
def verification_code() -> tuple[Snippet, ...]:
    """Return the code in each language."""
    folder = resources.files("api.console") / "verification"
    return tuple(Snippet(language, (folder / name).read_text("utf-8").rstrip()) for language, name in _LANGUAGES)
