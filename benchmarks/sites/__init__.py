"""What is served: ASGI and WSGI applications with a tool `add`, and nothing else.

Those of other packages run in environments without ours, so that they import nothing of
it. Ours is `tests.conformance.asgi`.
"""
