"""The `MCP` setting: every key, its type, default and meaning, in this one place.

Read lazily and afresh after `override_settings`, so that importing `mcp_django`
needs no configured settings::

    from mcp_django.conf import mcp_settings

    mcp_settings.MAX_BODY_BYTES
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

Language: TypeAlias = str | Callable[..., Any] | None
"""A language's code, or a function that gives one, or its dotted path."""


AuditDetails: TypeAlias = str | Callable[..., Any] | None


@dataclass(frozen=True, kw_only=True)
class MCPSettings:
    """The keys of `settings.MCP`, with their defaults."""

    # Who is asking -------------------------------------------------------------
    # Dotted paths of authenticators, tried in order; [] lets every client in. None
    # means Django sessions, and before them the tokens of those of mcp_django.tokens
    # and mcp_django.oauth with oauth2_provider that are installed.
    AUTHENTICATION: Sequence[str] | None = None
    # Seconds between two looks at the credentials of an open stream, and at the rights
    # to what its client subscribed to.
    RECHECK_SECONDS: float = 30.0
    # Seconds since an authenticator last vouched for a user, until the streams end
    # whose credentials cannot be looked at; at least twice RECHECK_SECONDS.
    RECHECK_GRACE_SECONDS: float = 60.0
    # Seconds for which a process takes an authenticator's word for a credential that
    # it has seen, without asking again, if the authenticator lets it; 0 for never.
    CREDENTIAL_CACHE_SECONDS: float = 0.0
    # Programs that log in -------------------------------------------------------
    # Dotted path of the class that says which programs may become clients of the site's
    # authorization server by themselves, and how many.
    CLIENT_POLICY: str = "mcp_django.oauth.authorization_server.policies.ClientPolicy"
    # Seconds for which a refresh token that was used may come again, and brings the
    # same tokens: answers are lost, and processes share what they store; 0 for never.
    REFRESH_GRACE_SECONDS: float = 60.0
    # The gate ------------------------------------------------------------------
    # Host names accepted on MCP paths beside the loopback ones where
    # settings.ALLOWED_HOSTS is ["*"]; same patterns as ALLOWED_HOSTS.
    ALLOWED_HOSTS: Sequence[str] = field(default_factory=list)
    # The origin by which users reach the site, such as "https://site.example"; None for
    # what each request says. What is published of OAuth names it.
    PUBLIC_URL: str | None = None
    # Origins such as "https://app.example" accepted on MCP paths, beside the
    # site's own and those of django-cors-headers.
    ALLOWED_ORIGINS: Sequence[str] = field(default_factory=list)
    # Largest body of an HTTP request, in bytes.
    MAX_BODY_BYTES: int = 4 * 1024 * 1024
    # Largest line on stdio, and largest message over a WebSocket, in bytes.
    MAX_LINE_BYTES: int = 16 * 1024 * 1024
    # Open streams and WebSockets of one user on one process.
    MAX_STREAMS_PER_USER: int = 100
    # Those of all users, and of clients without one, on one process.
    MAX_STREAMS: int = 10_000
    # Largest age of a stream or WebSocket, in seconds; 0 for none. Each gets a random
    # one between half of it and all of it.
    MAX_STREAM_SECONDS: float = 0.0
    # Requests of one user over Streamable HTTP that run on one process.
    MAX_CALLS_PER_USER: int = 1000
    # Requests a second of one user, or of one token, that all processes take together;
    # None for no such limit.
    MAX_RATE: float | None = None
    # Whose requests it counts: those of each "user", or of each "token".
    RATE_FOR: str = "user"
    # Room in a session ----------------------------------------------------------
    # Handlers of one session that run at the same time.
    MAX_CONCURRENT: int = 32
    # Messages, and their bytes, of one session that wait for a handler.
    MAX_INBOX: int = 1000
    MAX_INBOX_BYTES: int = 8 * 1024 * 1024
    # Resources that one session may subscribe to, or one request to listen.
    MAX_SUBSCRIPTIONS: int = 1000
    # Seconds a POST waits for room in its session, or for its user to read what was
    # answered before, until it is answered 503.
    ROOM_TIMEOUT: float = 3.0
    # Handlers -------------------------------------------------------------------
    # Seconds that one run of a handler may take, and wait for a thread; a tool,
    # resource or prompt may have others (timeout=). The time in which the client is
    # asked something does not count.
    HANDLER_TIMEOUT: float = 300.0
    # Answers --------------------------------------------------------------------
    # Largest answer to a request, in bytes, over every connection; a tool, resource or
    # prompt may have another (max_result_bytes=). Answers to a batch that go in one
    # body take no more together.
    MAX_RESULT_BYTES: int = 32 * 1024 * 1024
    # Bytes of answers that one user, and all users together, have yet to read, on one
    # process. No user gets more than is left for all.
    MAX_UNREAD_BYTES_PER_USER: int = 128 * 1024 * 1024
    MAX_UNREAD_BYTES: int = 512 * 1024 * 1024
    # Slow readers ---------------------------------------------------------------
    # Largest SSE event, and largest message sent over a WebSocket, in bytes; common
    # Python clients drop the connection above 1 MiB.
    MAX_EVENT_BYTES: int = 1024 * 1024 - 1024
    # Largest picture, sound or file in a result, in bytes; base64 takes a third more.
    MAX_FILE_BYTES: int = 10 * 1024 * 1024
    # Bytes sent on an SSE stream before the client must show that it reads.
    UNCONFIRMED_BYTES: int = 1024 * 1024
    # Bytes held back for a client that does not read, and for how many seconds; where
    # there is no room for more, or more waits to be sent over a WebSocket, the seconds
    # until its connection ends.
    MAX_HELD_BYTES: int = 4 * 1024 * 1024
    MAX_HELD_SECONDS: float = 300.0
    MAX_FULL_SECONDS: float = 10.0
    # Seconds between two keep-alive comments on a silent stream.
    KEEP_ALIVE_SECONDS: float = 15.0
    # Streamable HTTP ------------------------------------------------------------
    # Seconds for which a handler may be silent before its answer becomes an event
    # stream, so that the connection stays alive.
    STREAM_AFTER_SECONDS: float = 5.0
    # Seconds for which the id of a session of the versions before 2026-07-28 is good.
    SESSION_MAX_AGE: int = 7 * 24 * 3600
    # Alias of the cache that keeps what such a session set: log level, subscriptions,
    # and that it has ended.
    CACHE: str = "default"
    # Alias of the cache that keeps events, so that clients of versions before
    # 2026-07-28 can come back for what they missed; None for no such thing.
    EVENT_STORE_CACHE: str | None = None
    # How many events of each stream it keeps, and for how many seconds.
    EVENT_STORE_EVENTS: int = 100
    EVENT_STORE_SECONDS: float = 900.0
    # Milliseconds after which clients shall come back.
    RETRY_MS: int = 1000
    # Asking the client ----------------------------------------------------------
    # Seconds to wait for a client's answer to one round of questions.
    ASK_TIMEOUT: float = 600.0
    # Rounds of questions one request may take.
    MAX_ASK_ROUNDS: int = 20
    # What others do -------------------------------------------------------------
    # Seconds that the authenticators may take to say who asks, and one of them whether
    # an identity is still good, and that reading a user may take.
    AUTHENTICATION_TIMEOUT: float = 5.0
    # Seconds that a permission may take to say yes or no, and a handler, where it is
    # asked whether the user may still read what the client subscribed to.
    PERMISSION_TIMEOUT: float = 5.0
    # Seconds that the receivers of request_handled, session_opened and session_closed,
    # and those of Django's got_request_exception, may hold up an answer.
    RECEIVER_TIMEOUT: float = 5.0
    # Seconds for which a service that did not answer in time counts as away: what needs
    # it is refused at once.
    AWAY_SECONDS: float = 5.0
    # Seconds a cache may take.
    CACHE_TIMEOUT: float = 2.0
    # Threads --------------------------------------------------------------------
    # Threads per process for `def` handlers, of which one user alone may have half; for
    # permissions, and what else requests of every kind ask of the site; for
    # authentication; for what `async def` handlers do synchronously, such as the async
    # ORM; and for each cache.
    SYNC_WORKERS: int = 32
    PERMISSION_WORKERS: int = 8
    AUTHENTICATION_WORKERS: int = 4
    ASYNC_WORKERS: int = 16
    CACHE_WORKERS: int = 8
    # Memory ---------------------------------------------------------------------
    # Whether what is loaded is taken out of the garbage collector's way (gc.freeze)
    # when a process begins to serve over HTTP or WebSocket.
    GC_FREEZE: bool = True
    # The end of a process ---------------------------------------------------------
    # Seconds that running calls get to be answered when the process ends; then it goes,
    # whatever runs.
    SHUTDOWN_SECONDS: float = 5.0
    # Several processes ----------------------------------------------------------
    # Alias of the channel layer that joins processes.
    CHANNEL_LAYER: str = "default"
    # Seconds the channel layer may take, and a relayed message to be acknowledged by
    # its session.
    RELAY_TIMEOUT: float = 2.0
    # Pages ----------------------------------------------------------------------
    # What the site is called there; None for its name in django.contrib.sites, or its
    # host.
    SITE_NAME: str | None = None
    # Where styles, images and fonts of pages may come from beside the site itself and
    # STATIC_URL, in the words of Content-Security-Policy.
    PAGE_SOURCES: Sequence[str] = field(default_factory=list)
    # Texts ---------------------------------------------------------------------
    # Language of the answers: a code such as "de", or a function from the context to
    # one, also by its dotted path. None, also as what the function gives: what the
    # client prefers (Accept-Language).
    LANGUAGE: Language = None
    # Lists ----------------------------------------------------------------------
    # Features on one page of a list.
    PAGE_SIZE: int = 100
    # Other servers -------------------------------------------------------------
    # Those at which users of the site may have accounts that it uses for them, by a
    # short name: "url", and if need be "title", "scopes", "client_id", "client_secret".
    OTHER_SERVERS: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Audit trail ----------------------------------------------------------------
    # Days for which mcp_django.audit keeps entries; None for ever.
    AUDIT_DAYS: float | None = 90
    # Entries that wait in a process to be written; further ones are dropped.
    AUDIT_QUEUE: int = 10_000
    # A quick function from the context and the arguments of a request to what else is
    # kept of it, as JSON, also by its dotted path; None for nothing.
    AUDIT_DETAILS: AuditDetails = None
    # Message traces -------------------------------------------------------------
    # A folder for the files of mcp_trace, which none but the site's own processes
    # write to; None for no files.
    TRACE_DIR: str | Path | None = None


DEFAULTS: Final[Mapping[str, Any]] = asdict(MCPSettings())
"""The default of every key."""


class _LazySettings:
    """Reads `settings.MCP` when a key is asked for first."""

    def __getattr__(self, name: str) -> Any:
        if name not in DEFAULTS:
            raise AttributeError(f"MCP has no setting {name!r}")
        given = getattr(settings, "MCP", {})
        if unknown := given.keys() - DEFAULTS.keys():
            raise ImproperlyConfigured(
                f"settings.MCP has unknown keys {sorted(unknown)!r}; "
                f"known are {sorted(DEFAULTS)!r}"
            )
        # Kept on the instance, so that the hot path is an attribute lookup.
        vars(self).update({**DEFAULTS, **given})
        return vars(self)[name]


mcp_settings: Final = cast(MCPSettings, _LazySettings())
"""The values of the project.

Raises:
    ImproperlyConfigured: On access, if `settings.MCP` has an unknown key.
"""


@receiver(setting_changed)
def _forget_settings(*, setting: str, **kwargs: object) -> None:
    if setting == "MCP":
        vars(mcp_settings).clear()
