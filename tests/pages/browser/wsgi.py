"""`python -m tests.pages.browser.wsgi`: the site over WSGI, at a free port."""

from __future__ import annotations

import os

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.pages.browser.settings")

if __name__ == "__main__":
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(get_wsgi_application())
    print(f"Listening on {server.server_port}", flush=True)  # noqa: T201 - for who waits
    server.serve_forever()
