"""A request over WSGI, as an ASGI server would tell of it.

The server reads streams to their end before it answers the next request of a thread, so
that everything is answered with a whole body.
"""

from __future__ import annotations

from django.core.handlers.wsgi import get_bytes_from_wsgi, get_script_name
from django.http import HttpRequest

from mcp_django.consumers.exchange import Scope


def scope_of(request: HttpRequest) -> Scope:
    """Make the ASGI scope of a request.

    It has the environment, too, for what the server says beside the headers: the user
    whom it has logged in, or the certificate that it was shown.

    Args:
        request: As Django made it of the WSGI environment.

    Spec: ASGI, "HTTP Connection Scope"; PEP 3333, "environ Variables".
    """
    environ = request.META
    address, port = environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT")
    headers = dict(request.headers)
    # As Django: a request of HTTP/1.0, or of its test client, may have none.
    headers.setdefault("Host", f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": request.path,
        "root_path": get_script_name(environ),
        "query_string": get_bytes_from_wsgi(environ, "QUERY_STRING", ""),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in headers.items()
        ],
        "client": (address, _number(port)) if address else None,
        "server": (environ["SERVER_NAME"], _number(environ["SERVER_PORT"])),
        "extensions": {},
        "wsgi_environ": environ,
    }


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0
