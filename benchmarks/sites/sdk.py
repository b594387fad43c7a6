"""A server by the official SDK: ASGI applications."""

from benchmarks.sites.sdk_stdio import server

# JSON, as ours answers: faster than the event stream that the SDK sends by default.
application = server.streamable_http_app(json_response=True)
sse = server.sse_app()
