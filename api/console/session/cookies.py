"""The console's cookies; in a frame of the operator's product they are others than outside (contract "Portal links").

Those of a frame have names of their own, and browsers keep them for the site around the frame alone (`Partitioned`). So
a session that was begun with a key outside is never used in a frame, and one of a frame never outside. They come with
requests of other sites' pages, too, as `SameSite=None` says: what keeps these from changing anything is `csrf.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from quart import Request, Response

from daemon.config.settings import Settings

PATH = "/console/"
_OF_FRAMES = "framed_"


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of one request, `given` in the order in which they were set. `is_secure`: for https only."""

    given: Mapping[str, str]
    is_secure: bool
    in_frame: bool = False

    def find(self, name: str) -> str | None:
        """Return a cookie's value, None if it is missing."""
        return self.given.get(self._named(name))

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin so, the oldest first."""
        before = len(self._named(""))
        return [name[before:] for name in self.given if name.startswith(self._named(prefix))]

    def set(self, response: Response, name: str, value: str, *, max_age_s: int, same_site: str = "Lax") -> None:
        """Have the browser keep a cookie, out of reach of scripts."""
        response.set_cookie(
            self._named(name),
            value,
            max_age=max_age_s,
            path=PATH,
            secure=self.is_secure or self.in_frame,
            httponly=True,
            samesite="None" if self.in_frame else same_site,
            partitioned=self.in_frame,
        )

    def delete(self, response: Response, name: str, same_site: str = "Lax") -> None:
        """Have the browser delete a cookie."""
        response.delete_cookie(
            self._named(name),
            path=PATH,
            secure=self.is_secure or self.in_frame,
            httponly=True,
            samesite="None" if self.in_frame else same_site,
            partitioned=self.in_frame,
        )

    def _named(self, name: str) -> str:
        return f"{_OF_FRAMES}{name}" if self.in_frame else name


def cookies_of(request: Request, settings: Settings) -> Cookies:
    """Return the cookies of a request."""
    return Cookies(request.cookies, settings.has_tls_before_it, _is_in_frame(request, settings))


def _is_in_frame(request: Request, settings: Settings) -> bool:
    """Whether a frame asked, and some site's frames may. Browsers tell, and scripts cannot (Fetch Metadata).

    A live page's stream has no such word of its own: its page adds it to the address.
    """
    if not settings.console.embed_origins:
        return False
    destination = request.headers.get("Sec-Fetch-Dest")
    return destination == "iframe" or (destination == "empty" and "framed" in request.args)
