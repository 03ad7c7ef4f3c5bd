"""The packages in dependency order: the module map shows it, `test_architecture` enforces it."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from tests.docs.sources import Source

# From the entry point down to the foundations: each package imports, of our own, only what is listed below it.
# A file that is listed itself is a layer of its own.
LAYERS = (
    "daemon/__main__.py",
    "daemon/cli",
    "daemon/demo",
    "daemon/doctor",
    "daemon",
    "api",
    "api/server",
    "api/console",
    "api/console/pages",
    "api/console/session",
    "api/console/rendering",
    "api/console/verification",
    "api/openapi",
    "api/routes",
    "api/http",
    "api/limits",
    "daemon/handles.py",
    "daemon/cluster",
    "daemon/management",
    "daemon/maintenance",
    "daemon/mail",
    "daemon/operations",
    "daemon/delivery",
    "daemon/store/store.py",
    "daemon/store/postgresql",
    "daemon/store/shared_store.py",
    "daemon/store/writes",
    "daemon/store/reads",
    "daemon/store/sqlite",
    "daemon/store/migrations/versions",
    "daemon/store/migrations",
    "daemon/store",
    "daemon/telemetry",
    "daemon/crypto",
    "daemon/config",
    "daemon/live",
    "daemon/schemas",
    "daemon/egress",
    "daemon/systemd",
    "daemon/files",
    "daemon/process",
    "daemon/actors",
    "daemon/filters",
    "daemon/domain",
    "daemon/__init__.py",
)


def layer_of(path: str) -> str:
    """Return the layer of a file: itself, or its package."""
    return path if path in LAYERS else PurePosixPath(path).parent.as_posix()


def arrows(files: Sequence[Source]) -> set[tuple[str, str]]:
    """Return which layer imports which, inside functions and for types too."""
    known = {source.path for source in files}
    found = {(layer_of(source.path), layer_of(path)) for source in files for path in _imported(source, known)}
    return {(importer, imported) for importer, imported in found if importer != imported}


def _imported(source: Source, known: set[str]) -> Iterator[str]:
    """Yield the files that this one imports."""
    for name in source.imported:
        path = name.replace(".", "/")
        package = f"{PurePosixPath(path).parent}/__init__.py"
        if f"{path}.py" in known:
            yield f"{path}.py"
        elif f"{path}/__init__.py" not in known and package in known:
            yield package  # what the package itself defines
