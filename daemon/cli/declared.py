"""Commands as their functions declare them: options and arguments stand in the annotations, and click reads them.

Typer does this, too. It imports pydantic for each argument, which takes as long as all else of a command.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import click

Command = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Declared:
    """One parameter: what kind it is, how it is spelled, and what else click is told of it."""

    kind: type[click.Option | click.Argument]
    names: Sequence[str]
    attributes: Mapping[str, Any]


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names as they were given: the first are those to begin with."""
        return list(self.commands)


def option(*names: str, **attributes: Any) -> Declared:
    """Say of a parameter that it is an option; `min` and `max` bound a number, the rest is for `click.Option`."""
    return Declared(click.Option, names, attributes)


def argument(**attributes: Any) -> Declared:
    """Say of a parameter that it is an argument, with what `click.Argument` is told of it."""
    return Declared(click.Argument, (), {name: value for name, value in attributes.items() if name != "help"})


def command_of(name: str, function: Command) -> click.Command:
    """Return the command that calls `function`, whose docstring is its help."""
    return click.Command(name, **_taken_from(function))


def group_of(name: str, commands: Mapping[str, Command], help: str) -> click.Group:
    """Return a group of commands, which shows its help when none is named."""
    made = {each: command_of(each, function) for each, function in commands.items()}
    return _Group(name, made, help=help, no_args_is_help=True)


def group_calling(
    name: str, function: Command, commands: Mapping[str, click.Command], **attributes: Any
) -> click.Group:
    """Return a group that calls `function` before one of its commands; `attributes` are for `click.Group`."""
    return _Group(name, dict(commands), **_taken_from(function), **attributes)


def _taken_from(function: Command) -> dict[str, Any]:
    declared, takes = inspect.signature(function).parameters, _takes_context(function)
    parameters = [_parameter(each) for each in declared.values() if each.annotation is not click.Context]
    help = inspect.getdoc(function) or ""

    def run(**given: Any) -> None:
        values = {each: _value(declared[each], value) for each, value in given.items()}
        context = {takes: click.get_current_context()} if takes else {}
        function(**context, **values)

    return {"callback": run, "params": parameters, "help": help, "short_help": help.partition("\n\n")[0]}


def _takes_context(function: Command) -> str | None:
    parameters = inspect.signature(function).parameters.values()
    return next((each.name for each in parameters if each.annotation is click.Context), None)


def _parameter(parameter: inspect.Parameter) -> click.Parameter:
    annotation, declared = _taken_apart(parameter)
    attributes = {**declared.attributes, **_type_of(annotation, declared)}
    if declared.kind is click.Argument and attributes.pop("multiple", False):
        return click.Argument([parameter.name], nargs=-1, required=False, **attributes)
    if parameter.default is inspect.Parameter.empty:
        attributes["required"] = True
    elif not attributes.get("multiple"):
        attributes["default"] = parameter.default
        attributes.setdefault("required", False)
    if attributes.get("envvar"):
        attributes["show_envvar"] = True
    bounds = {"min", "max"}
    return declared.kind(
        [parameter.name, *declared.names], **{name: value for name, value in attributes.items() if name not in bounds}
    )


def _taken_apart(parameter: inspect.Parameter) -> tuple[Any, Declared]:
    """Return the type of the values without `| None`, and what is declared: as the annotation or as the default."""
    annotation, declared = parameter.annotation, parameter.default
    if get_origin(annotation) is Annotated:
        annotation, declared = get_args(annotation)
    if isinstance(annotation, UnionType):
        [annotation] = [each for each in get_args(annotation) if each is not type(None)]
    return annotation, declared


def _type_of(annotation: Any, declared: Declared) -> dict[str, Any]:
    if get_origin(annotation) is list:
        [inner] = get_args(annotation)
        return {**_type_of(inner, declared), "multiple": True}
    if annotation is bool:
        return {"is_flag": True}
    if annotation is int:
        low, high = declared.attributes.get("min"), declared.attributes.get("max")
        return {"type": click.INT if low is high is None else click.IntRange(low, high)}
    if annotation is float:
        low, high = declared.attributes.get("min"), declared.attributes.get("max")
        return {"type": click.FLOAT if low is high is None else click.FloatRange(low, high)}
    if annotation is Path:
        return {"type": click.Path(path_type=Path)}
    if issubclass(annotation, StrEnum):
        return {"type": click.Choice([each.value for each in annotation])}
    return {"type": click.STRING}


def _value(parameter: inspect.Parameter, value: Any) -> Any:
    """Return what click read as the function takes it."""
    annotation, _ = _taken_apart(parameter)
    if isinstance(value, tuple):
        [inner] = get_args(annotation)
        return [inner(each) for each in value] or None
    if isinstance(value, str) and issubclass(annotation, StrEnum):
        return annotation(value)
    return value
