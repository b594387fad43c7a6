"""Pages for people at an MCP endpoint. Optional: add `mcp_django.pages` to the apps.

A browser that opens the URL of an endpoint is shown what is there and how to connect,
where a program would be spoken to. `landing` is that page, `visible` finds the features
that its reader may use, and `places` says where the pages of an endpoint are. `console`
is the page that speaks to the endpoint, with `console_texts` and
`form_texts` for its script; `readers`
says who reads, and where they log in. `models` is there for one permission.
"""
