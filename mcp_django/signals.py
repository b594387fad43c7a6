"""Django signals that are sent while MCP clients are served."""

from __future__ import annotations

from django.dispatch import Signal

request_handled = Signal()
"""A request was handled: answered, asked back, refused, failed or cancelled.

The sender is the `Server`. Sent for each run of a handler, so also when it asked its
client something, with these arguments:

method: Such as "tools/call".
feature: `mcp_django.FeatureName` of the tool, resource or prompt, also of one that does
    not exist; None for requests that concern none, such as lists.
user: The site's user, or `AnonymousUser`.
outcome: `mcp_django.Outcome`.
seconds: How long it took, without the time that the client's user took to answer.
"""
