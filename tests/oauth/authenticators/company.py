"""Authenticators of a project, as `MCP["AUTHENTICATION"]` names them."""

from mcp_django.oauth.authenticators.introspection import IntrospectionAuthenticator
from mcp_django.oauth.authenticators.jwt import JWTAuthenticator
from tests.oauth.authenticators.issuer import SECRET

SIGNED = f"{__name__}.SignedTokens"
ASKED = f"{__name__}.AskedTokens"


class SignedTokens(JWTAuthenticator):
    """The company's tokens; tests say where it is."""


class AskedTokens(IntrospectionAuthenticator):
    """The company's other tokens; tests say where it is."""

    client_id = "the site"
    client_secret = SECRET
