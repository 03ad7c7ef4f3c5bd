"""The Jinja templates, compiled in a thread, with the filters that all of them may use."""

from collections.abc import Mapping
from datetime import tzinfo
from functools import cache, partial
from typing import Any

import trio
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from api.console.rendering import names, times
from api.console.rendering.assets import load_assets
from api.console.rendering.look import Look
from api.http.wire import format_time
from daemon.actors.threads import RunInThread
from daemon.domain.durations import duration, short_duration

# Rendering this many pieces takes a millisecond. A long list has over a thousand: deliveries must not wait for all.
_PIECES_AT_ONCE = 250
_TIME = Markup('<time datetime="{}" title="{}">{}</time>')


class Templates:
    """Renders pages; all values are escaped."""

    def __init__(self, run_in_thread: RunInThread) -> None:
        self._run_in_thread = run_in_thread
        self._loaded: Mapping[str, Template] = {}

    async def render(self, name: str, now: int, look: Look, **values: Any) -> str:
        """Render the page, or part of one, of this name, as of `now` (ms), in this theme and time zone."""
        if not self._loaded:
            self._loaded = await self._run_in_thread(_load)
        pieces: list[str] = []
        when = partial(_when, now=now, zone=look.zone)
        for number, piece in enumerate(self._loaded[name].generate(**values, now=now, look=look, when=when), 1):
            pieces.append(piece)
            if number % _PIECES_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        return "".join(pieces)


@cache
def _load() -> Mapping[str, Template]:
    environment = Environment(
        loader=PackageLoader("api.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["asset"] = load_assets().address
    environment.filters.update(
        duration=duration,
        short_duration=short_duration,
        exact=times.exact,
        number=_number,
        dotted=_dotted,
        named=names.named,
        plain=names.plain,
        with_code=_with_code,
    )
    return {name: environment.get_template(name) for name in environment.list_templates()}


def _when(time_ms: int, *, now: int, zone: tzinfo) -> Markup:
    return _TIME.format(format_time(time_ms), times.exact(time_ms, zone), times.relative(time_ms, now, zone))


def _dotted(name: str) -> Markup:
    """Allow line breaks after the dots of an event type's name."""
    return Markup(".<wbr>").join(name.split("."))


def _with_code(text: str) -> Markup:
    """Show what is between back quotes as code."""
    parts = text.split("`")
    shown = (Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(parts))
    return Markup("").join(shown)


def _number(value: int) -> str:
    return f"{value:,}".replace("-", "\N{MINUS SIGN}")
