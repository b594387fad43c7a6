"""Pages for people at an MCP endpoint. Optional: add `mcp_django.pages` to the apps.

A browser that opens the URL of an endpoint is shown what is there and how to connect,
where a program would be spoken to. `landing` is that page, `visible` finds the features
that its reader may use, and `places` says where the pages of an endpoint are.
"""
