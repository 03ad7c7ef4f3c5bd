"""The map in docs/architecture.md, made from the modules: each line is the first sentence of a module's docstring.

`python -m tests.docs.map_page` prints it, `--write` puts it into the page.
"""

import ast
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from tests.docs.layers import LAYERS, arrows
from tests.docs.sources import ROOT, Source, sources

PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- map: made from the modules by python -m tests.docs.map_page --write -->\n", "<!-- map: end -->\n"
# What has no docstring of its own: directories that are no packages, and code that receivers copy.
OTHERS = {
    "api/console/static": "Style sheet, script and icon.",
    "api/console/templates": "One template for each page, and for each part of a page that is updated live.",
    "api/console/verification": "Code that verifies a signature, in five languages, as receivers copy it.",
    "api/console/verification/public_key.py": "The code in Python, for a public key.",
    "api/console/verification/verify.py": "The code in Python.",
    "daemon/store/migrations": "Alembic's scripts.",
    "daemon/store/migrations/versions": "One file for each revision.",
}
_CITATION = re.compile(r"""\s*\([a-z-]+ "[^)]*\)""")


def render() -> str:
    """Return the map: the packages in their order and what each imports of our own, then the files of each package."""
    files = sources("daemon", "api")
    found = arrows(files)
    plain = sorted(path for path in OTHERS if not path.endswith(".py") and path not in LAYERS)
    rows = [f"| {_link(package)} | {_line(package)} | {_imports(package, found)} |" for package in (*LAYERS, *plain)]
    table = ["| package | what it is for | imports |", "|---|---|---|", *rows]
    return (
        "\n\n".join(["\n".join(table), *(_files(package, files) for package in LAYERS if _modules(package, files))])
        + "\n"
    )


def map_in(page: str) -> str:
    """Return the map that the page has now."""
    return page.partition(BEGIN)[2].partition(END)[0]


def first_sentence(docstring: str) -> str:
    """Return what a module says of itself, without the citations."""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) ", _CITATION.sub("", paragraph), maxsplit=1)[0]


def _package_of(path: str) -> str:
    return PurePosixPath(path).parent.as_posix()


def _modules(package: str, files: Sequence[Source]) -> list[Source]:
    return [
        source for source in files if _package_of(source.path) == package and not source.path.endswith("/__init__.py")
    ]


def _link(package: str) -> str:
    has_files = any((ROOT / package).glob("*.py"))
    return f"[`{package}`](#{package.replace('/', '')})" if has_files else f"`{package}`"


def _line(layer: str) -> str:
    """Return the line of a package, or of a module that is a layer of its own."""
    if layer in OTHERS:
        return OTHERS[layer]
    return _line_of(Source(layer if layer.endswith(".py") else f"{layer}/__init__.py"))


def _line_of(source: Source) -> str:
    if source.path in OTHERS:
        return OTHERS[source.path]
    docstring = ast.get_docstring(source.tree)
    assert docstring, f"{source.path} needs a docstring, or a line in OTHERS"
    return first_sentence(docstring).replace("|", "\\|")


def _imports(package: str, found: Collection[tuple[str, str]]) -> str:
    return ", ".join(f"`{below}`" for below in LAYERS if (package, below) in found)


def _files(package: str, files: Sequence[Source]) -> str:
    rows = [f"| `{source.path}` | {_line_of(source)} |" for source in _modules(package, files)]
    return "\n".join([f"### {package}/", "", "| file | what it is for |", "|---|---|", *rows])


def main(arguments: Sequence[str]) -> None:
    """Put the map into the page, or print it."""
    if "--write" not in arguments:
        sys.stdout.write(render())
        return
    before, begin, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(before + begin + render() + END + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
