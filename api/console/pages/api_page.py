"""The reference of the HTTP API, as the daemon's own OpenAPI document has it: one page for each tag."""

from functools import partial

from quart import Response

from api.console.rendering.reference import Chapter, chapters_of
from api.console.session.page_request import PageRequest
from api.console.session.refusals import page_not_found
from api.openapi.texts import CODE_MEANINGS


async def show_api(request: PageRequest) -> Response:
    """Show what holds for every route, and which there are."""
    return await request.page(
        "api.html", chapters=await _chapters(request), codes=CODE_MEANINGS, server=request.handles.settings.public_url
    )


async def show_api_chapter(request: PageRequest, tag: str) -> Response:
    """Show the routes of a tag: what each takes and answers, and code that calls it."""
    chapters = await _chapters(request)
    chapter = next((each for each in chapters if each.slug == tag), None)
    if chapter is None:
        raise page_not_found()
    return await request.page("api_chapter.html", chapter=chapter, chapters=chapters)


async def _chapters(request: PageRequest) -> tuple[Chapter, ...]:
    document, server = request.context.api_document, request.handles.settings.public_url
    return await request.call.run_in_thread(partial(chapters_of, document, server))
