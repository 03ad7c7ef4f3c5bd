"""Style sheet, script and icon, with a hash of their content in the URL, so that browsers may cache them."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from quart import Response

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FOR_A_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Assets:
    """The files, by name."""

    content: dict[str, bytes]

    def address(self, name: str) -> str:
        """Return the URL path of a file, which changes with its content."""
        return f"/console/assets/{_fingerprint(self.content[name])}/{name}"

    def answer(self, fingerprint: str, name: str) -> Response | None:
        """Return a file as a response, None if there is no file with this name and content."""
        content = self.content.get(name)
        if content is None or fingerprint != _fingerprint(content):
            return None
        kind = _TYPES[name.rpartition(".")[2]]
        return Response(content, content_type=kind, headers={"Cache-Control": _FOR_A_YEAR})


@cache
def load_assets() -> Assets:
    """Load the files from the package."""
    folder = resources.files("api.console") / "static"
    return Assets({file.name: file.read_bytes() for file in folder.iterdir()})


def _fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
