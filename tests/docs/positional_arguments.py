"""Calls of our own functions and classes that pass many arguments by their place alone."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.docs.sources import Source

MOST = 3

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Definitions:
    """What is defined by us: module-level names by module, and of each function's name how much it takes by place.

    With `*args` a function takes any number: how many of its arguments are given by place is not for its caller.
    """

    names: dict[str, set[str]]
    places: dict[str, list[int]]
    open_ended: set[str]


def definitions_of(found: Sequence[Source]) -> Definitions:
    """Return what these files define."""
    definitions = Definitions({}, {}, set())
    for source in found:
        own = definitions.names.setdefault(_module_of(source), set())
        own.update(node.name for node in source.tree.body if isinstance(node, _Function | ast.ClassDef))
        own.difference_update(_foreign_constructors(source.tree))
        for node in source.nodes:
            if isinstance(node, _Function):
                definitions.places.setdefault(node.name, []).append(len(node.args.posonlyargs + node.args.args))
                if node.args.vararg is not None:
                    definitions.open_ended.add(node.name)
    return definitions


def many_by_place(source: Source, definitions: Definitions) -> Iterator[int]:
    """Yield the line of each call of ours with more than three arguments by place."""
    own = definitions.names[_module_of(source)] | _imported_names(source, definitions)
    for node in source.nodes:
        if isinstance(node, ast.Call) and len(node.args) > MOST and _is_ours(node, own, definitions):
            yield node.lineno


def _is_ours(call: ast.Call, own: set[str], definitions: Definitions) -> bool:
    if any(isinstance(given, ast.Starred) for given in call.args):
        return False
    match call.func:
        case ast.Name(name):
            return name in own and name not in definitions.open_ended
        case ast.Attribute(attr=name):
            # A method takes itself, too.
            most = max(definitions.places.get(name, [0])) - 1
            return most >= len(call.args) and name not in definitions.open_ended
    return False


def _imported_names(source: Source, definitions: Definitions) -> set[str]:
    return {
        alias.asname or alias.name
        for node in source.nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in definitions.names.get(node.module or "", ())
    }


def _foreign_constructors(tree: ast.Module) -> set[str]:
    """Return the classes that are made as a base of theirs says, which may be a library's."""
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef) and _is_made_by_a_base(node)}


def _is_made_by_a_base(node: ast.ClassDef) -> bool:
    constructors = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    if constructors:
        return any(constructor.args.vararg for constructor in constructors)
    is_data = any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
    is_struct = any(keyword.arg == "frozen" for keyword in node.keywords)
    return bool(node.bases) and not is_data and not is_struct


def _module_of(source: Source) -> str:
    return source.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
