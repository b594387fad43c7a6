"""Message trace: writes down what clients and servers say to each other, masked.

`masking` leaves of a message what says what happened, without the data of users;
`files` writes it to a file. `mcp_stdio --trace` is made with them.
"""

from mcp_django.tracing.files import TraceFile
from mcp_django.tracing.masking import masked

__all__ = ["TraceFile", "masked"]
