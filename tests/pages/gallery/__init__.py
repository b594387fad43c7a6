"""A page that shows a form and a result of each kind, served with the console's policy.

`python -m tests.pages.gallery` serves it until it is interrupted, to be looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from mcp_django.pages.form_texts import forms_texts, results_texts

ROOT = Path(__file__).parents[3]
STYLES = ROOT / "mcp_django" / "static"
CONSOLE = ROOT / "mcp_django" / "pages" / "static"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; "
    "connect-src 'self'; media-src 'self' data: blob:; base-uri 'none'; "
    "form-action 'self'"
)


class Handler(SimpleHTTPRequestHandler):
    """Serves the gallery and the console's files, and nothing else."""

    def __init__(self, texts: bytes, *arguments: object) -> None:
        self._texts = texts
        super().__init__(*arguments)  # type: ignore[arg-type] # as it was called

    def do_GET(self) -> None:
        """Give a file, or the texts."""
        if self.path != "/texts.json":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self._texts)

    def end_headers(self) -> None:
        """Send the policy of the console with each file."""
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def translate_path(self, path: str) -> str:
        """Find the file of a URL."""
        first, _, rest = path.lstrip("/").partition("/")
        if first == "static":
            found = [folder / rest for folder in (STYLES, CONSOLE)]
            return str(next((file for file in found if file.exists()), found[0]))
        return str(Path(__file__).parent / (rest or "index.html"))

    def log_request(self, *arguments: object) -> None:
        """Be quiet about what was found."""


@contextmanager
def serving(port: int = 0) -> Iterator[str]:
    """Serve the gallery; gives its URL."""
    texts = json.dumps({"forms": forms_texts(), "results": results_texts()}).encode()
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, texts))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
