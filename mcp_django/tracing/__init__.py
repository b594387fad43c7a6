"""Message trace: writes down what clients and servers say to each other, masked.

`plan` says whose messages are written down, for how long and where; `switching` has
all workers begin and end traces, `kept` keeps them for workers that are started later,
and `following` brings what they write to a terminal. In each worker `traced` looks at
what passes the tap, and has a `running` trace write down its `entries`: `carriers` say
whose each message is, `masking` leaves what says what happened, without the data of
users, and `targets` are the log, `files`, or a program that follows.

`manage.py mcp_trace` and `mcp_stdio --trace` are made with them.
"""

from mcp_django.tracing.files import TraceFile
from mcp_django.tracing.masking import masked
from mcp_django.tracing.plan import Trace
from mcp_django.tracing.switching import (
    Begun,
    astop,
    atrace,
    atraces,
    stop,
    trace,
    traces,
)

__all__ = [
    "Begun",
    "Trace",
    "TraceFile",
    "astop",
    "atrace",
    "atraces",
    "masked",
    "stop",
    "trace",
    "traces",
]
