"""CONTRIBUTING.md is about the tests and the files that there are."""

import re

import pytest

from tests.docs.pages import read, section, table
from tests.docs.sources import ROOT

PAGE = "CONTRIBUTING.md"
RECIPES = re.split(r"^### ", section(PAGE, "Changes, and the files they touch"), flags=re.MULTILINE)[1:]


def test_the_kinds_of_tests_are_the_directories_that_there_are() -> None:
    listed = [directory for directory, _ in table(section(PAGE, "The kinds of tests"))]
    there = [found.relative_to(ROOT).as_posix() for found in (ROOT / "tests").iterdir() if any(found.glob("*.py"))]
    assert listed == sorted(there)


@pytest.mark.parametrize(
    "change", ["metric", "log event", "setting", "route", "field of a webhook", "migration", "dependency"]
)
def test_a_change_has_a_recipe(change: str) -> None:
    [recipe] = [recipe for recipe in RECIPES if recipe.startswith(f"A {change}\n")]
    assert re.match(r"1\. .", recipe.partition("\n\n")[2])


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.partition("\n")[0] for recipe in RECIPES])
def test_the_files_of_a_recipe_exist(recipe: str) -> None:
    named = [path for path in re.findall(r"`([\w./-]+)`", recipe) if "/" in path or path.endswith((".md", ".toml"))]
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_modules_that_are_run_exist() -> None:
    modules = re.findall(r"python -m (tests\.[\w.]+)", read(PAGE))
    assert modules
    assert not [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").exists()]


def test_what_recipes_name_in_code_is_there() -> None:
    assert "HEAD_REVISION" in read("daemon/store/schema.py")
    assert "class Route" in read("api/http/route.py")
