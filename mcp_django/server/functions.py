"""What developers register, below its decorators: its name, docstring and place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def innermost_of(function: Any) -> Callable[..., Any]:
    """Find the `def` below partials, decorators and `__call__`."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.isroutine(function):
            return function
        else:
            function = function.__call__


def docstring_of(function: Callable[..., Any]) -> str | None:
    """Give the docstring of a handler; of a callable object, its class's at worst."""
    innermost = innermost_of(function)
    told: Any = innermost
    if innermost.__name__ == "__call__" and not innermost.__doc__:
        told = getattr(innermost, "__self__", innermost)
    return inspect.getdoc(told)


def place_of(function: Callable[..., Any]) -> str:
    """Say where a function is written: file and line."""
    innermost = innermost_of(function)
    code = getattr(getattr(innermost, "__func__", innermost), "__code__", None)
    if code is None:  # It is not written in Python.
        return repr(innermost)
    return f"{code.co_filename}:{code.co_firstlineno}"


def name_of(function: Callable[..., Any]) -> str:
    """Give the name of a function, or of what is like one.

    Raises:
        ValueError: It is a text: a name given by position.
    """
    if isinstance(function, str):
        raise ValueError(
            f"{function!r} is no function; give a name by keyword: name={function!r}"
        )
    while isinstance(function, functools.partial):
        function = function.func
    name: str = getattr(function, "__name__", type(function).__name__)
    return name
