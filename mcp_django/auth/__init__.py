"""Who is asking: authenticators turn the credentials of an HTTP request into a user.

May import Django and `mcp_django.exceptions`. Start reading at `interface`.
"""
