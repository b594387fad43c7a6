"""What servers say of themselves, and what programs keep of it.

All of these come from outside: from a server, or from a storage.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic import ValidationError as Invalid

from mcp_django.client.oauth.challenges import read_scopes
from mcp_django.protocol.faults import describe_faults

MAX_LENGTH: Final = 20_000
"""Characters of one text, such as a token."""

MAX_ITEMS: Final = 1000

Text: TypeAlias = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=MAX_LENGTH)
]


def _texts(value: Any) -> Any:
    """Take what is text in a list; a server may add what we do not know."""
    if not isinstance(value, list):
        return value
    return tuple(item for item in value[:MAX_ITEMS] if isinstance(item, str))


def _scopes(value: Any) -> Any:
    match value:
        case str():
            return read_scopes(value)
        case list():
            return read_scopes(" ".join(_texts(value)))
        case _:
            return value


Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Scopes: TypeAlias = Annotated[frozenset[str], BeforeValidator(_scopes)]


class Document(BaseModel):
    """A JSON object, of which members that are not known are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


D = TypeVar("D", bound=Document)


def read(kind: type[D], value: Any) -> D:
    """Read a JSON value.

    Raises:
        ValueError: It is not of this kind; says why.
    """
    try:
        return kind.model_validate(value)
    except Invalid as error:
        raise ValueError(describe_faults(error, "document")) from None


class ResourceMetadata(Document):
    """What an MCP server says about who gives tokens for it.

    Spec: RFC 9728, section 2.
    """

    resource: Text
    authorization_servers: Texts = ()
    scopes_supported: Scopes | None = None


class ServerMetadata(Document):
    """What an authorization server says of itself.

    Attributes:
        is_assumed: Whether it said nothing, and these are the places that revision
            2025-03-26 of the protocol names.

    Spec: RFC 8414, section 2; RFC 9207, section 3.
    """

    issuer: Text
    authorization_endpoint: Text | None = None
    token_endpoint: Text | None = None
    registration_endpoint: Text | None = None
    revocation_endpoint: Text | None = None
    scopes_supported: Scopes | None = None
    code_challenge_methods_supported: Texts | None = None
    token_endpoint_auth_methods_supported: Texts | None = None
    client_id_metadata_document_supported: bool = False
    authorization_response_iss_parameter_supported: bool = False
    is_assumed: bool = False


class KnownClient(Document):
    """What an authorization server knows this program as.

    Attributes:
        issuer: Of the authorization server that gave, or takes, the rest.
        method: How the program proves who it is at the token endpoint; None to choose
            of what the server takes.
        redirect_uris: What it was registered with.
        expires_at: When the secret ends, in seconds since 1970; 0 for never.
        is_registered: Whether it registered itself, and can do so again.

    Spec: RFC 7591, section 3.2.1.
    """

    issuer: Text
    client_id: Text
    client_secret: Text | None = Field(default=None, repr=False)
    method: Text | None = None
    redirect_uris: Texts = ()
    expires_at: float = 0
    is_registered: bool = False


class Tokens(Document):
    """A token, and what is known of it.

    Attributes:
        issuer: Of the authorization server that gave it.
        client_id: Which client it was given to.
        resource: What it is for.
        scopes: What it permits; None if that is not known.
        expires_at: In seconds since 1970; None if it was not said.
    """

    access_token: Text = Field(repr=False)
    refresh_token: Text | None = Field(default=None, repr=False)
    issuer: Text
    client_id: Text
    resource: Text
    scopes: Scopes | None = None
    expires_at: float | None = None


class PendingLogin(Document):
    """A login that has begun, and whose user is not back yet.

    Attributes:
        verifier: Proves that it was us who began it.
        begun_at: In seconds since 1970.
    """

    verifier: Text = Field(repr=False)
    redirect_uri: Text
    resource: Text
    server: ServerMetadata
    client: KnownClient
    scopes: Scopes | None = None
    begun_at: float


class Record(Document):
    """All that is kept for one MCP server.

    Attributes:
        server: The authorization server that gave the tokens.
        clients: By the issuer of an authorization server, what it knows us as.
        asked_scopes: All that was asked for so far, and not in vain; None if nothing
            was named.
        logins: By `state`, those that are under way.
    """

    server: ServerMetadata | None = None
    clients: dict[str, KnownClient] = {}
    tokens: Tokens | None = None
    asked_scopes: Scopes | None = None
    logins: dict[str, PendingLogin] = {}
