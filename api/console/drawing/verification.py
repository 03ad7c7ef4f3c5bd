"""Code that verifies a delivery's signature, ready to be copied (receivers "Verifying signatures")."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

_LANGUAGES = (
    ("Standard Webhooks", "standard_webhooks.txt"),  # first: it counts on while a secret is rotated
    ("Python", "verify.py"),
    ("JavaScript", "verify.mjs"),
    ("PHP", "verify.php"),
    ("Ruby", "verify.rb"),
    ("Go", "verify.go"),
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A few lines in one language, or of the published libraries in each."""

    language: str
    code: str


@cache
def verification_code() -> tuple[Snippet, ...]:
    """Return the code in each language."""
    folder = resources.files("api.console") / "verification"
    return tuple(Snippet(language, (folder / name).read_text("utf-8").rstrip()) for language, name in _LANGUAGES)
