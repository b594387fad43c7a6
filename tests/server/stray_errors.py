"""What code of a site may raise by mistake, and what no task or thread can carry."""

import asyncio
from collections.abc import Callable, Mapping


class Boom(BaseException):
    """No `Exception`, and nobody knows it."""


def _cancelled() -> BaseException:
    return asyncio.CancelledError()


STRAYS: Mapping[str, Callable[[], BaseException]] = {
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "GeneratorExit": GeneratorExit,
    "BaseException": BaseException,
    "Boom": Boom,
    "SystemExit": lambda: SystemExit(1),
    "KeyboardInterrupt": KeyboardInterrupt,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "ExceptionGroup": lambda: ExceptionGroup("several", [ValueError("no")]),
    "BaseExceptionGroup": lambda: BaseExceptionGroup("several", [SystemExit(1)]),
    "NestedGroup": lambda: BaseExceptionGroup(
        "several", [ExceptionGroup("more", [KeyError()]), _cancelled(), GeneratorExit()]
    ),
    "CancelledError": _cancelled,
}
