"""What clients over HTTP import of httpx2, which the extra `client` brings."""

from mcp_django.transports.client.extras import brought_by

with brought_by("client"):
    import httpx2 as httpx2
