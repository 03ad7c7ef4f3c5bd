"""What others make of /openapi.json: linters are content, generated clients can be used (contract "HTTP API")."""

import importlib.util
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from shutil import copy
from types import ModuleType
from typing import Any

import orjson
import pytest
import trio
from pydantic import TypeAdapter

from api.app import ROUTES, create_app
from api.console.rendering.reference import chapters_of
from api.openapi.document import describe
from tests.support.api_client import RunningApi
from tests.support.api_server import Served, serving
from tests.support.programs import plain_environment, program, skip_without

HERE = Path(__file__).parent / "generators"
TOOLS = HERE / "node_modules" / ".bin"
WORDS = ("status", "outcome", "cancelReason", "disabledReason", "state", "code")
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
DOCUMENT = describe(ROUTES)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the document and what the tools are given."""
    directory = tmp_path_factory.mktemp("generators")
    (directory / "openapi.json").write_bytes(orjson.dumps(DOCUMENT))
    for name in ("spectral.yaml", "tsconfig.json", "usage.ts", "client.ts", "client.py", "python-client.yaml"):
        copy(HERE / name, directory)
    (directory / "package.json").write_text('{"type": "module"}', "utf-8")
    (directory / "node_modules").symlink_to(HERE / "node_modules")
    return directory


def run(workplace: Path, tool: str, *arguments: str) -> str:
    """Run one of the tools; return what it said, which must be no complaint."""
    program("node")
    if not (TOOLS / tool).exists():
        skip_without(
            "generators", f"{tool} is not installed: npm ci --ignore-scripts --prefix {HERE.relative_to(Path.cwd())}"
        )
    command = [str(TOOLS / tool), *arguments]
    environment = plain_environment(**QUIET)
    ended = subprocess.run(
        command, cwd=workplace, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_redocly_finds_nothing_to_complain_about(workplace: Path) -> None:
    run(workplace, "redocly", "lint", "--extends", "recommended-strict", "openapi.json")


def test_spectral_finds_nothing_to_complain_about(workplace: Path) -> None:
    run(workplace, "spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "hint", "openapi.json")


@pytest.fixture(scope="module")
def compiled(workplace: Path) -> Path:
    """A generated TypeScript client that leaves out what is optional, reads every answer, and all code to copy."""
    run(workplace, "openapi-typescript", "openapi.json", "--output", "api.ts")
    (workplace / "reading.ts").write_text("\n".join(_reading()), "utf-8")
    (workplace / "copied.ts").write_text("\n".join(_copied()), "utf-8")
    run(workplace, "tsc", "--project", "tsconfig.json")
    return workplace / "out" / "client.js"


@pytest.fixture
async def served(api: RunningApi) -> AsyncIterator[Served]:
    await api.webhook()
    async with serving(create_app(api.handles)) as served:
        yield served


async def test_a_generated_typescript_client_compiles_submits_lists_and_resends(
    api: RunningApi, served: Served, compiled: Path
) -> None:
    await uses_the_api(api, served, [program("node"), str(compiled)])


async def test_a_generated_python_client_submits_lists_and_resends(
    api: RunningApi, served: Served, workplace: Path
) -> None:
    generate = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none"]
    options = ["--output-path", "kakiyo_client", "--config", "python-client.yaml", "--fail-on-warning"]
    ended = await trio.run_process(
        [*generate, *options], cwd=workplace, capture_stdout=True, capture_stderr=True, check=False
    )
    assert ended.returncode == 0, ended.stdout.decode()
    await uses_the_api(api, served, [sys.executable, str(workplace / "client.py")])


async def uses_the_api(api: RunningApi, served: Served, command: Sequence[str]) -> None:
    """Run a client that submits, lists and resends, and look at what has become of it."""
    environment = plain_environment(API_URL=served.url, API_KEY=api.as_acme.key or "")
    ended = await trio.run_process(command, env=environment, capture_stdout=True, capture_stderr=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    did = orjson.loads(ended.stdout)
    made = (await api.as_acme.get(f"/v1/events/{did['event']}")).value["deliveries"]
    assert [delivery["id"] for delivery in made] == [did["delivery"], did["again"]]
    assert did["wrong"] == ["$.event"]


def _reading() -> Iterator[str]:
    """Yield a program that reads every member of every answer."""
    yield 'import type { components } from "./api.js";'
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if members := schema.get("properties"):
            values = ", ".join(f"it.{member}" for member in members)
            yield f'export const read{name} = (it: components["schemas"]["{name}"]) => [{values}];'


def _copied() -> Iterator[str]:
    """Yield a program of all that the console's reference has to copy."""
    yield "declare const process: { env: Record<string, string | undefined> };"
    for chapter in chapters_of(document, "http://127.0.0.1:8480"):
        for operation in chapter.operations:
            [code] = [snippet.code for snippet in operation.snippets if snippet.language == "TypeScript"]
            yield f"export async function {operation.id}() {{\n{code}\n}}"


def document() -> dict[str, Any]:
    return DOCUMENT


@pytest.fixture(scope="module")
def models(workplace: Path) -> ModuleType:
    """The pydantic models that datamodel-code-generator makes."""
    file = workplace / "models.py"
    command = [sys.executable, "-m", "datamodel_code_generator", "--input", "openapi.json", "--output", str(file)]
    options = ["--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel", "--disable-warnings"]
    ended = subprocess.run([*command, *options], cwd=workplace, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    spec = importlib.util.spec_from_file_location("generated_models", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["generated_models"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_generated_python_models_take_answers_with_members_and_words_that_they_do_not_know(
    api: RunningApi, models: ModuleType
) -> None:
    for name, answer in (await _answers(api)).items():
        TypeAdapter(getattr(models, name)).validate_python(_with_news(answer))


async def _answers(api: RunningApi) -> dict[str, Any]:
    """Return real answers by the names of their schemas."""
    webhook = await api.webhook(secret="generate")  # no secret: asks for one
    event = (await api.as_acme.get(f"/v1/events/{await api.submit()}")).value
    get, post = api.as_acme.get, api.operator.post
    return {
        "Webhook": webhook,
        "WebhookPage": (await get("/v1/webhooks")).value,
        "RotatedWebhook": (await api.as_acme.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", {})).value,
        "StartedTest": (await api.as_acme.post("/v1/webhooks/test", {"event": event["event"]})).value,
        "EventDetails": event,
        "EventTypeInfoPage": (await get("/v1/webhooks/test/events")).value,
        "DeliveryPage": (await get("/v1/deliveries")).value,
        "DeliveryDetails": (await get(f"/v1/deliveries/{event['deliveries'][0]['id']}")).value,
        "Balance": (await get("/v1/credits")).value,
        "CreditEntry": (await post("/v1/credits/grants", {"teamId": api.acme.id, "amount": 5})).value,
        "CreditEntryPage": (await get("/v1/credits/entries")).value,
        "Team": (await post("/v1/teams", {"name": "New"})).value,
        "TeamPage": (await api.operator.get("/v1/teams")).value,
        "CreatedKey": (await post(f"/v1/teams/{api.acme.id}/keys", {"name": "CI"})).value,
        "KeyPage": (await api.operator.get(f"/v1/teams/{api.acme.id}/keys")).value,
        "Identity": (await get("/v1/verify")).value,
        "Problem": (await post("/v1/teams", {})).value,
    }


def _with_news(value: Any) -> Any:
    """Return a JSON value in which every object has one member more, and all words are new."""
    if isinstance(value, dict):
        news = {name: "new" for name in WORDS if isinstance(value.get(name), str)}
        return {name: _with_news(member) for name, member in value.items()} | news | {"isNew": [1, {"deep": True}]}
    return [_with_news(item) for item in value] if isinstance(value, list) else value
