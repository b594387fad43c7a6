"""The fixture site: what the official conformance suite and outside clients look for.

It is written with the public API only and runs by itself::

    daphne -b 127.0.0.1 -p 8765 tests.conformance.asgi:application
    DJANGO_SETTINGS_MODULE=tests.conformance.settings python -m mcp_django stdio
"""
