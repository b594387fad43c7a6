"""A small lending library that speaks MCP: the example to read first.

Start with `library/mcp.py`; `settings.py`, `urls.py` and `asgi.py` show what a Django
project adds to let MCP clients in.
"""
