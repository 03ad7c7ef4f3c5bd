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
_WITH_PUBLIC_KEY = tuple((language, name.replace("verify", "public_key")) for language, name in _LANGUAGES[1:])


@dataclass(frozen=True, slots=True)
class Snippet:
    """A few lines of code in one language, or with the published libraries."""

    language: str
    code: str


@cache
def verification_code(*, with_public_key: bool = False) -> tuple[Snippet, ...]:
    """Return the code in each language: with a secret or, for deliveries that a key pair signs, with its public key."""
    folder = resources.files("api.console") / "verification"
    languages = _WITH_PUBLIC_KEY if with_public_key else _LANGUAGES
    return tuple(Snippet(language, (folder / name).read_text("utf-8").rstrip()) for language, name in languages)
