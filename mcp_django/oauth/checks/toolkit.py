"""Checks of `OAUTH2_PROVIDER`, for projects that set it by themselves.

The toolkit's own defaults stop MCP clients, or are not safe for them. The views of
`mcp_django.oauth` close most of that whatever the setting says; the toolkit's own
views, where a project includes them too, do what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.urls import reverse

from mcp_django.auth.authenticators import authenticators, is_open_to_all
from mcp_django.checks.setting import faults_of_setting
from mcp_django.oauth.preset import oauth2_provider

_NAME: Final = "OAUTH2_PROVIDER"
_HINT: Final = "Begin with oauth2_provider() of mcp_django.oauth.preset. Here, set {}."
_LONGEST_ACCESS: Final = 4 * 60 * 60

_GATES: Final = {
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": "the implicit grant",
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": "the password grant",
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": "plain PKCE",
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": "tokens in URLs",
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": "answers without their issuer",
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": "tokens in plain text in the database",
}


def check_toolkit(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find what in the toolkit's settings stops clients, or is not safe."""
    if not apps.is_installed("oauth2_provider") or any(faults_of_setting()):
        return []
    if not getattr(settings, _NAME, None):
        return [
            checks.Error(
                f"settings.{_NAME} is not set, and the defaults of "
                "django-oauth-toolkit stop MCP clients.",
                hint=f"Write {_NAME} = oauth2_provider(), which is in "
                "mcp_django.oauth.preset.",
                id="mcp_django.E110",
            )
        ]
    try:
        return [*_gaps(), *_untaken()]
    except (AttributeError, ImportError, TypeError, ValueError) as error:
        return [
            checks.Error(
                f"settings.{_NAME} cannot be read: {error}",
                hint="Begin with oauth2_provider() of mcp_django.oauth.preset.",
                id="mcp_django.E111",
            )
        ]


@dataclass(frozen=True, slots=True)
class _Gap:
    """A setting that should not be as it is.

    Attributes:
        id: Of the message.
        is_open: Says so of the toolkit's settings.
        says: What that means.
        wanted: What to set instead.
    """

    id: str
    is_open: Callable[[Any], bool]
    says: str
    wanted: str

    def message(self) -> checks.CheckMessage:
        """Say so."""
        kind = checks.Error if self.id.startswith("mcp_django.E") else checks.Warning
        hint = _HINT.format(self.wanted)
        text = f"settings.{_NAME}: {self.says}"
        return kind(text, hint=hint, id=self.id)


def _gaps() -> Iterator[checks.CheckMessage]:
    # Its models can be imported once the apps are ready.
    from oauth2_provider.settings import oauth2_settings

    for gate, behavior in _GATES.items():
        if not getattr(oauth2_settings, gate):
            says = f"the toolkit's own views allow {behavior}."
            yield _Gap("mcp_django.W113", bool, says, f"{gate}=True").message()
    for gap in _GAPS:
        if gap.is_open(oauth2_settings):
            yield gap.message()


def _untaken() -> Iterator[checks.CheckMessage]:
    """Find out whether the tokens that the site gives are taken anywhere."""
    from mcp_django.oauth.authenticators.toolkit import ToolkitAuthenticator

    if is_open_to_all():
        return
    try:
        found = authenticators()
    except Exception:  # Another check says what is wrong with them.
        return
    if not any(isinstance(each, ToolkitAuthenticator) for each in found):
        path = f"{ToolkitAuthenticator.__module__}.{ToolkitAuthenticator.__name__}"
        yield checks.Warning(
            "Users can log programs in at this site, and no MCP endpoint takes the "
            "tokens that these get.",
            hint=f"Add {path!r} to MCP['AUTHENTICATION'], or take 'oauth2_provider' "
            "out of INSTALLED_APPS.",
            id="mcp_django.W119",
        )


def _is_not(name: str, ours: str) -> Callable[[Any], bool]:
    """Say whether a class is neither ours nor made from it."""

    def is_open(found: Any) -> bool:
        module, _, qualname = ours.rpartition(".")
        named = getattr(found, name)
        return not any(
            (base.__module__, base.__qualname__) == (module, qualname)
            for base in getattr(named, "__mro__", ())
        )

    return is_open


def _differs(name: str) -> Callable[[Any], bool]:
    """Say whether a function is not the one that the preset names."""

    def is_open(found: Any) -> bool:
        named = getattr(found, name)
        path = f"{getattr(named, '__module__', '')}.{getattr(named, '__name__', '')}"
        return bool(path != oauth2_provider()[name])

    return is_open


def _is_missing(name: str, values: set[str]) -> Callable[[Any], bool]:
    return lambda found: not values <= set(getattr(found, name))


def _takes_any_program(found: Any) -> bool:
    """Say whether the toolkit's own registration is open, beside ours."""
    try:
        reverse("oauth2_provider:dcr-register")
    except Exception:  # There is no such view, or the URLconf is broken.
        return False
    named = found.DCR_REGISTRATION_PERMISSION_CLASSES
    is_open = any(kind.__name__ == "AllowAllDCRPermission" for kind in named)
    return bool(found.DCR_ENABLED) and is_open


_PRESET: Final = oauth2_provider()

_GAPS: Final = (
    _Gap(
        "mcp_django.W112",
        lambda found: not found.DCR_ENABLED and not found.CIMD_ENABLED,
        "programs cannot become clients by themselves, so only those can log in "
        "that you register.",
        "DCR_ENABLED=True and CIMD_ENABLED=True",
    ),
    _Gap(
        "mcp_django.W113",
        _is_not("OAUTH2_SERVER_CLASS", _PRESET["OAUTH2_SERVER_CLASS"]),
        "the toolkit's own views take grants that clients of MCP do not need.",
        f"OAUTH2_SERVER_CLASS={_PRESET['OAUTH2_SERVER_CLASS']!r}",
    ),
    _Gap(
        "mcp_django.W113",
        _is_missing("OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED", {"none"}),
        "the toolkit's own metadata tells programs without a secret to stay away.",
        "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED with 'none'",
    ),
    _Gap(
        "mcp_django.W114",
        lambda found: (
            not (found.REFRESH_TOKEN_REUSE_PROTECTION and found.ROTATE_REFRESH_TOKEN)
        ),
        "a stolen refresh token is good for ever, and its use is not noticed.",
        "ROTATE_REFRESH_TOKEN=True and REFRESH_TOKEN_REUSE_PROTECTION=True",
    ),
    _Gap(
        "mcp_django.W114",
        lambda found: found.ACCESS_TOKEN_EXPIRE_SECONDS > _LONGEST_ACCESS,
        "access tokens are good for more than four hours.",
        "ACCESS_TOKEN_EXPIRE_SECONDS=3600",
    ),
    _Gap(
        "mcp_django.W114",
        lambda found: not found.REFRESH_TOKEN_EXPIRE_SECONDS,
        "a refresh token that is not used is good for ever.",
        "REFRESH_TOKEN_EXPIRE_SECONDS=30 * 24 * 3600",
    ),
    _Gap(
        "mcp_django.W115",
        lambda found: (
            _differs("ACCESS_TOKEN_GENERATOR")(found)
            or _differs("REFRESH_TOKEN_GENERATOR")(found)
        ),
        "a refresh token that comes again brings no tokens again, so a client whose "
        "answer was lost has to log in anew.",
        "ACCESS_TOKEN_GENERATOR and REFRESH_TOKEN_GENERATOR as oauth2_provider() does",
    ),
    _Gap(
        "mcp_django.E116",
        _is_not("SCOPES_BACKEND_CLASS", _PRESET["SCOPES_BACKEND_CLASS"]),
        "the scopes of MCP endpoints are not known, so that every login fails.",
        f"SCOPES_BACKEND_CLASS={_PRESET['SCOPES_BACKEND_CLASS']!r}",
    ),
    _Gap(
        "mcp_django.W117",
        _is_missing("ALLOWED_REDIRECT_URI_SCHEMES", {"https", "http", "cursor"}),
        "applications cannot be entered in the admin for programs that listen on the "
        "user's machine, or for Cursor.",
        f"ALLOWED_REDIRECT_URI_SCHEMES={_PRESET['ALLOWED_REDIRECT_URI_SCHEMES']!r}",
    ),
    _Gap(
        "mcp_django.W117",
        lambda found: found.ALLOW_URI_WILDCARDS,
        "redirect URIs with wildcards send codes to all hosts below a name.",
        "ALLOW_URI_WILDCARDS=False",
    ),
    _Gap(
        "mcp_django.W118",
        _is_not("OAUTH2_VALIDATOR_CLASS", _PRESET["OAUTH2_VALIDATOR_CLASS"]),
        "the toolkit's own views refresh tokens of users who were deactivated, and "
        "leave tokens alone whose code is used twice.",
        f"OAUTH2_VALIDATOR_CLASS={_PRESET['OAUTH2_VALIDATOR_CLASS']!r}",
    ),
    _Gap(
        "mcp_django.W118",
        lambda found: not found.PKCE_REQUIRED,
        "the toolkit's own views give codes without PKCE.",
        "PKCE_REQUIRED=True",
    ),
    _Gap(
        "mcp_django.W118",
        _takes_any_program,
        "the toolkit's own view registers any program, beside ours, which has a "
        "policy and bounds.",
        "DCR_REGISTRATION_PERMISSION_CLASSES to the toolkit's default",
    ),
)
