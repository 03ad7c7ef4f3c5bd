"""The reference of the API is made from the OpenAPI document, all of it, and its code works (contract "Console")."""

import re
import sys
from html import unescape

import pytest
import trio

from api.app import ROUTES, create_app
from api.console.rendering.reference import chapters_of
from api.openapi.document import describe
from tests.support.api_client import RunningApi
from tests.support.api_server import serving
from tests.support.console_client import ConsoleClient
from tests.support.programs import plain_environment, program

LARGEST_PAGE = 100 * 1000
SERVER = "http://127.0.0.1:8480"


def document() -> dict[str, object]:
    return describe(ROUTES)


CHAPTERS = chapters_of(document, SERVER)


async def test_every_route_parameter_member_and_code_is_on_its_page_and_no_page_is_too_large(
    acme: ConsoleClient,
) -> None:
    overview = (await acme.get("/console/api")).text
    for chapter in CHAPTERS:
        page = await acme.get(f"/console/api/{chapter.slug}")
        assert page.status == 200
        assert len(page.text.encode()) < LARGEST_PAGE, chapter.name
        for route in (route for route in ROUTES if route.tag == chapter.name):
            assert f'href="/console/api/{chapter.slug}#{route.name}"' in overview
            assert f'id="{route.name}"' in page.text
            assert f"<strong>{route.method}</strong> {route.path}" in page.text
    pages = "".join([(await acme.get(f"/console/api/{chapter.slug}")).text for chapter in CHAPTERS])
    made = describe(ROUTES)
    for name, schema in made["components"]["schemas"].items():
        if name in ("Problem", "WrongField", "Code"):  # in words, on the first page
            continue
        assert f'id="object-{name}"' in pages, name
        assert all(f"<code>{member}</code>" in pages for member in schema.get("properties", ())), name
    assert all(f"<code>{code}</code>" in overview for code in made["components"]["schemas"]["Code"]["enum"])


async def test_the_menu_leads_to_the_reference_and_who_is_not_signed_in_signs_in_first(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    assert 'href="/console/api"' in (await acme.get(f"{root}/webhooks")).text
    assert (await acme.get("/console/api/nothing")).status == 404
    assert (await ConsoleClient(api.operator.app).get("/console/api")).status == 303


@pytest.mark.parametrize("language", ["curl", "Python", "TypeScript"])
async def test_the_code_of_the_page_submits_an_event(api: RunningApi, acme: ConsoleClient, language: str) -> None:
    page = (await acme.get("/console/api/events")).text
    section = page.partition('id="submit_event"')[2].partition("</section>")[0]
    found = re.search(rf'aria-label="{language} code"><code>(.*?)</code>', section, re.DOTALL)
    assert found is not None
    async with serving(create_app(api.handles)) as served:
        code = unescape(found[1]).replace(SERVER, served.url).replace("team_acme", api.acme.id)
        environment = plain_environment(KAKIYO_API_KEY=api.as_acme.key or "")
        ended = await trio.run_process(
            command(language, code), env=environment, capture_stdout=True, capture_stderr=True, check=False
        )
    assert ended.returncode == 0, ended.stderr.decode()
    assert b"evt_" in ended.stdout


def command(language: str, code: str) -> list[str]:
    """Return what runs the code; node takes it as a module, for it has no types to take away."""
    match language:
        case "curl":
            return ["sh", "-c", code.replace("curl ", f"{program('curl')} -sS ", 1)]
        case "Python":
            return [sys.executable, "-c", code]
        case _:
            return [str(program("node")), "--input-type=module", "-e", code]


def test_all_python_code_compiles_and_all_code_names_the_key_and_the_method() -> None:
    for operation in (each for chapter in CHAPTERS for each in chapter.operations):
        curl, python, typescript = (snippet.code for snippet in operation.snippets)
        compile(python, operation.id, "exec")
        assert all("KAKIYO_API_KEY" in code for code in (curl, python, typescript))
        assert "{" not in re.findall(r"https?://[^\s'\"]+", curl)[0], "each parameter of the path has an example"
        assert f'method: "{operation.method}"' in typescript
