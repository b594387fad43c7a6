"""Pages for people at an MCP endpoint. Optional: add `mcp_django.pages` to the apps.

A browser that opens the URL of an endpoint is shown what is there and how to connect,
where a program would be spoken to. `landing` is that page, and `visible` finds the
features that its reader may use. `readers` says who reads a page, and `places` where
the pages of an endpoint are.

* `connect` says how each program is connected, by `clients`, which fills in
  `clients.toml` (with `toml` for files of that kind), in one of the `ways` that the
  project lets programs in
* `programs` lists what may act as the reader; `tokens` are the reader's own
* `console` is the page that speaks to the endpoint, with `console_texts` and
  `form_texts` for its script
* `admin` are pages in Django's admin; `models` is there for permissions alone
"""
