"""Runs a filter on an event: JMESPath's own interpreter, with each step counted and nothing made without bounds."""

from collections.abc import Iterable
from typing import Any

from jmespath.exceptions import JMESPathTypeError
from jmespath.functions import Functions
from jmespath.visitor import Options, TreeInterpreter

from daemon.filters.steps import Budget, FilterFailed

# What a condition needs. Left out are those that make long texts, sort, or build new values.
FUNCTIONS = frozenset(
    {"abs", "avg", "ceil", "contains", "ends_with", "floor", "keys", "length", "map", "max", "max_by", "min", "min_by"}
    | {"not_null", "starts_with", "sum", "to_number", "type", "values"}
)
_FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_EQUALITY = ("eq", "ne")
_NAMES = {"NoneType": "null", "bool": "a boolean", "dict": "an object", "float": "a number", "int": "a number"}
_NAMES |= {"list": "an array", "str": "a string", "_Expression": "an expression"}


def run(tree: Any, document: Any, budget: Budget) -> bool:
    """Return whether the filter of this tree takes the event. Raises FilterFailed, also when the budget is spent."""
    interpreter = _Interpreter(budget)
    try:
        result = interpreter.visit(tree, document)
    except JMESPathTypeError as error:
        got = _NAMES.get(type(error.current_value).__name__, "something else")
        expected = " or ".join(error.expected_types)
        raise FilterFailed(f"{error.function_name}() got {got} where it takes {expected}") from None
    except _FAILURES:
        raise FilterFailed("it does something with values of this event that cannot be done with them") from None
    return not (result is None or result is False or result in ("", [], {}))


class _Functions(Functions):
    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        resolved_args = list(resolved_args)
        if function_name == "contains" and all(isinstance(argument, str) for argument in resolved_args):
            self._budget.spend_for_search(*resolved_args)
        elif function_name != "length":
            self._budget.spend_for(resolved_args)
        return super().call_function(function_name, resolved_args)


class _Interpreter(TreeInterpreter):
    def __init__(self, budget: Budget) -> None:
        super().__init__(Options(custom_functions=_Functions(budget)))
        self._budget = budget

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._budget.spend(1)
        return super().visit(node, *args, **kwargs)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        left, right = (self.visit(child, value) for child in node["children"])
        compare = self.COMPARATOR_FUNC[node["value"]]
        if node["value"] in _EQUALITY:
            if type(left) is type(right) and not (hasattr(left, "__len__") and len(left) != len(right)):
                self._budget.spend_for((left, right))
            return compare(left, right)
        # Of a text and a number neither comes first: the answer is null, as the language has it.
        are_texts = isinstance(left, str) and isinstance(right, str)
        return compare(left, right) if are_texts or (_is_number(left) and _is_number(right)) else None

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        self._budget.spend(len(base) // 10)
        self._budget.spend(sum(len(one) for one in base if isinstance(one, list)) // 10)
        return [one for part in base for one in (part if isinstance(part, list) else (part,))]

    def visit_slice(self, node: Any, value: Any) -> Any:
        if isinstance(value, list):
            self._budget.spend(len(value) // 100)
        return super().visit_slice(node, value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
