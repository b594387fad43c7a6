"""System checks, each where it speaks and where it is silent."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from channels.auth import AuthMiddlewareStack
from channels.layers import BaseChannelLayer
from channels.routing import ProtocolTypeRouter
from corsheaders.middleware import CorsMiddleware
from django.conf import settings as django_settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core import checks
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.test import override_settings
from pydantic import BaseModel
from pytest_django import Settings

from mcp_django import Server
from mcp_django.apps import CHECKS_TAG
from mcp_django.asgi import MCPRouter, get_asgi_application
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.auth.tokens import TokenAuthenticator
from mcp_django.checks.audit import check_audit
from mcp_django.checks.channel_layers import check_redis_timeout
from mcp_django.checks.limits import check_rates
from mcp_django.checks.traces import check_traces
from mcp_django.conf import DEFAULTS
from mcp_django.consumers.exchange import Receive, Scope, Send
from mcp_django.middleware import CorsMiddleware as OurCorsMiddleware
from tests.oauth.urlconfs import root_urlconf
from tests.site import mcp

STATIC = "django.contrib.staticfiles"
SESSION = "mcp_django.auth.django_session.SessionAuthenticator"
TOKEN = "mcp_django.auth.tokens.TokenAuthenticator"


@pytest.fixture(autouse=True)
def shared_cache(settings: Settings) -> None:
    """Have a cache that all processes share; a check does not contact it."""
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": URL}}


OF_ALL_SERVERS = ("mcp_django.W014", "mcp_django.W015")
"""What is said of most servers of tests: no URL, no descriptions."""


OURS = ("mcp_django.E0", "mcp_django.W0")


def run(*, deploy: bool = False) -> list[checks.CheckMessage]:
    """Run our checks as `manage.py check` does, and give what they say.

    What is said of most servers of tests is left out, and what is said of OAuth.
    """
    said = checks.run_checks(tags=[CHECKS_TAG], include_deployment_checks=deploy)
    of_all = [message for message in said if message.id not in OF_ALL_SERVERS]
    return [message for message in of_all if str(message.id)[:13] in OURS]


def ids(*, deploy: bool = False) -> list[str]:
    """Give the ids of what our checks say."""
    return [str(message.id) for message in run(deploy=deploy)]


def only() -> checks.CheckMessage:
    """Give the one thing that our checks say."""
    [message] = run()
    return message


def without_app(*names: str) -> Any:
    """Uninstall apps for a while."""
    installed = [app for app in django_settings.INSTALLED_APPS if app not in names]
    return override_settings(INSTALLED_APPS=installed)


def in_order(*names: str) -> list[str]:
    """Give the installed apps, with these in this order, and no other `runserver`."""
    ordered = ("mcp_django", STATIC)
    rest = [app for app in django_settings.INSTALLED_APPS if app not in ordered]
    return [*names, *rest]


def test_test_project_is_faultless() -> None:
    """Chosen: what is right is not talked about."""
    assert checks.run_checks(tags=[CHECKS_TAG]) == []


def test_every_message_has_a_hint_and_an_id_of_its_severity(
    settings: Settings,
) -> None:
    """Chosen: a message without a remedy is only half of one."""
    settings.MCP = {"AUTHENTICATION": []}
    settings.ALLOWED_HOSTS = ["*"]
    settings.CHANNEL_LAYERS = {}
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware"]
    settings.ASGI_APPLICATION = None

    for message in run():
        assert message.hint
        letter = "E" if message.is_serious() else "W"
        assert str(message.id).startswith(f"mcp_django.{letter}0")


# The MCP setting ----------------------------------------------------------------


@pytest.mark.parametrize("value", [7, "x", ["AUTHENTICATION"], None])
def test_setting_that_is_no_dictionary_is_an_error(
    settings: Settings, value: Any
) -> None:
    """Chosen: nothing else can be said about it."""
    settings.MCP = value

    assert only() == checks.Error(
        f"settings.MCP is {value!r}, not a dictionary.",
        hint="Write MCP = {...}, or leave it out to have the defaults.",
        id="mcp_django.E001",
    )


def test_misspelled_key_is_an_error_and_the_right_one_is_guessed(
    settings: Settings,
) -> None:
    """Chosen: a misspelled limit is no limit."""
    settings.MCP = {"max_in_box": 7}

    assert only() == checks.Error(
        "settings.MCP has the unknown key 'max_in_box'.",
        hint="Did you mean 'MAX_INBOX'?",
        id="mcp_django.E002",
    )


@pytest.mark.parametrize("key", ["nonsense", 7])
def test_unknown_key_is_an_error_and_the_known_are_listed(
    settings: Settings, key: Any
) -> None:
    """Chosen: where nothing is like it."""
    settings.MCP = {key: 7}

    assert only() == checks.Error(
        f"settings.MCP has the unknown key {key!r}.",
        hint=f"The keys are {', '.join(sorted(DEFAULTS))}.",
        id="mcp_django.E002",
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("MAX_CONCURRENT", 0, "a whole number, more than zero"),
        ("MAX_CONCURRENT", -1, "a whole number, more than zero"),
        ("MAX_CONCURRENT", 1.5, "a whole number, more than zero"),
        ("MAX_CONCURRENT", "32", "a whole number, more than zero"),
        ("MAX_CONCURRENT", True, "a whole number, more than zero"),
        ("MAX_CONCURRENT", None, "a whole number, more than zero"),
        ("MAX_INBOX", -1, "a whole number, zero or more"),
        ("ROOM_TIMEOUT", -0.1, "a finite number, zero or more"),
        ("CREDENTIAL_CACHE_SECONDS", -1, "a finite number, zero or more"),
        ("RELAY_TIMEOUT", 0, "a finite number, more than zero"),
        ("RELAY_TIMEOUT", float("nan"), "a finite number, more than zero"),
        *(
            (key, float("inf"), f"a finite number, {least}")
            for key, least in (
                ("AWAY_SECONDS", "more than zero"),
                ("ASK_TIMEOUT", "more than zero"),
                ("ROOM_TIMEOUT", "zero or more"),
            )
        ),
        ("CHANNEL_LAYER", None, "a string"),
        ("GC_FREEZE", 1, "True or False"),
        ("AUTHENTICATION", SESSION, "a list of strings"),
        ("AUTHENTICATION", [Authenticator], "a list of strings"),
        ("ALLOWED_HOSTS", "example.org", "a list of strings"),
        ("ALLOWED_HOSTS", None, "a list of strings"),
        *(
            (
                "LANGUAGE",
                value,
                "the code of one of LANGUAGES, such as 'en', or a function from the "
                "context to one, or its dotted path",
            )
            for value in ("tlh", "", "german")
        ),
        ("LANGUAGE", 7, "a function from the context to a language"),
        (
            "LANGUAGE",
            "tests.settings.DEBUG",
            "a function from the context to a language",
        ),
        (
            "LANGUAGE",
            "tests.nowhere.choose",
            "the dotted path of a function, but No module named 'tests.nowhere'",
        ),
        *(
            (
                "ALLOWED_ORIGINS",
                value,
                "a list of origins such as 'https://app.example', without a path",
            )
            for value in (
                "https://app.example",
                ["app.example"],
                ["https://app.example/path"],
                ["*"],
                ["null"],
                [7],
            )
        ),
        *(
            (
                "PUBLIC_URL",
                value,
                "an origin such as 'https://site.example', without a path, or None",
            )
            for value in (
                "",
                "site.example",
                "https://site.example/app",
                "https://site.example//",
                "https://",
                "https://user@site.example",
                "wss://site.example",
                ["https://site.example"],
                7,
            )
        ),
    ],
)
def test_wrong_value_is_an_error_and_the_right_kind_is_named(
    settings: Settings, key: str, value: Any, expected: str
) -> None:
    """Chosen: found at the start, and not by the first client."""
    settings.MCP = {key: value}

    message = only()

    assert (message.id, message.msg, message.hint) == (
        "mcp_django.E003",
        f"settings.MCP[{key!r}] is {value!r}.",
        f"It has to be {expected}.",
    )


@pytest.mark.parametrize("value", [7, "", "traces", ["/var/traces"]])
def test_folder_of_traces_is_an_absolute_path(settings: Settings, value: Any) -> None:
    """Chosen: processes may run in different folders."""
    settings.MCP = {"TRACE_DIR": value}
    assert [message.id for message in run()] == ["mcp_django.E003"]


def test_folder_of_traces_that_is_served_is_an_error(settings: Settings) -> None:
    """Chosen: wherever in it, and by whatever way there."""
    settings.MEDIA_ROOT = "/srv/media"
    for folder in ("/srv/media", Path("/srv/media/traces"), "/srv/x/../media/x"):
        settings.MCP = {"TRACE_DIR": folder}
        assert [message.id for message in check_traces()] == ["mcp_django.E185"]
    for other in ("/srv/mediations", Path("/srv"), None):
        settings.MCP = {"TRACE_DIR": other}
        assert check_traces() == run() == []


def test_results_that_could_never_be_sent_are_warned_of(settings: Settings) -> None:
    """Chosen: no answer takes more than half of what all users may leave unread."""
    settings.MCP = {"MAX_UNREAD_BYTES": 1000, "MAX_RESULT_BYTES": 501}

    message = only()

    assert (message.id, message.msg, message.hint) == (
        "mcp_django.W009",
        "MCP['MAX_RESULT_BYTES'] is 501, and MCP['MAX_UNREAD_BYTES'] is 1000: no "
        "answer may take more than half of that.",
        "Raise MAX_UNREAD_BYTES, or lower MAX_RESULT_BYTES.",
    )
    settings.MCP = {"MAX_UNREAD_BYTES": 1000, "MAX_RESULT_BYTES": 500}
    assert run() == []


def test_rate_that_is_never_counted_is_found(settings: Settings) -> None:
    """Chosen: clients that are no user's are not counted."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_RATE": 10}

    assert [message.id for message in check_rates()] == ["mcp_django.W155"]
    settings.MCP = {"MAX_RATE": 10, "RATE_FOR": "token"}
    assert check_rates() == run() == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MAX_RATE", 0),
        ("MAX_RATE", True),
        ("MAX_RATE", "10/s"),
        ("MAX_RATE", float("inf")),
        ("RATE_FOR", "address"),
        ("RATE_FOR", []),
    ],
)
def test_rate_that_is_none_is_found(
    key: str, value: object, settings: Settings
) -> None:
    """Chosen: it is a number of requests a second."""
    settings.MCP = {key: value}

    assert [message.id for message in run()] == ["mcp_django.E003"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("AUDIT_DAYS", 0),
        ("AUDIT_DAYS", "90"),
        ("AUDIT_QUEUE", 0),
        ("AUDIT_QUEUE", None),
        ("AUDIT_DETAILS", "no.such.function"),
        ("AUDIT_DETAILS", ["django.http.Http404"]),
        ("AUDIT_DETAILS", anyio.sleep),
    ],
)
def test_setting_of_the_audit_trail_that_is_none_is_an_error(
    settings: Settings, key: str, value: object
) -> None:
    """Chosen: it would be found out with the first request, or never."""
    settings.MCP = {key: value}

    assert [message.id for message in run()] == ["mcp_django.E003"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("AUDIT_DAYS", None),
        ("AUDIT_DAYS", 0.5),
        ("AUDIT_DETAILS", "json.dumps"),
        ("AUDIT_DETAILS", json.dumps),
    ],
)
def test_setting_of_an_audit_trail_that_is_not_kept_is_warned_of(
    settings: Settings, key: str, value: object
) -> None:
    """Chosen: with the app it is right."""
    settings.MCP = {key: value}
    assert run() == []
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "mcp_django.audit"
    ]

    [message] = check_audit()

    assert message.id == "mcp_django.W170"
    assert message.msg.startswith(f"MCP['{key}'] has no effect")


def test_right_values_are_not_talked_about(settings: Settings) -> None:
    """Chosen: among them every default."""
    settings.MCP = dict(DEFAULTS)
    assert run() == []
    settings.MCP = {
        "AUTHENTICATION": (SESSION,),
        "ALLOWED_HOSTS": ("mcp.example",),
        "ALLOWED_ORIGINS": ["https://App.example:8443/", "vscode-file://vscode-app"],
        "MAX_INBOX": 0,
        "MAX_INBOX_BYTES": 0,
        "ROOM_TIMEOUT": 0,
        "RELAY_TIMEOUT": 1,
        "LANGUAGE": "de-at",
    }
    assert run() == []
    settings.MCP = {"LANGUAGE": "tests.server.test_languages.english"}
    assert run() == []
    for public_url in ("https://site.example", "http://127.0.0.1:8000/", None):
        settings.MCP = {"PUBLIC_URL": public_url}
        assert run() == []
    settings.MCP = {"LANGUAGE": lambda context: "de"}
    assert run() == []


# Authentication -----------------------------------------------------------------


def test_authentication_switched_off_is_a_warning_outside_debug(
    settings: Settings,
) -> None:
    """Chosen: everybody may then do everything."""
    settings.MCP = {"AUTHENTICATION": []}

    message = only()

    assert (message.id, message.level) == ("mcp_django.W007", checks.WARNING)
    assert message.hint == (
        "Leave MCP['AUTHENTICATION'] out to accept login sessions and tokens, or "
        "silence this check if all of it is meant to be public."
    )
    settings.DEBUG = True
    assert run() == []


class Complete(Authenticator):
    """Finds nobody."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Find nobody."""
        return None

    def is_still_valid(self, identity: Identity) -> bool:
        """Vouch for nobody."""
        return False


class Abstract(Authenticator):
    """Has nothing yet."""


class Demanding(Complete):
    """Cannot be created without arguments."""

    def __init__(self, realm: str) -> None:
        self.realm = realm


class WithTokens(TokenAuthenticator):
    """A project's own way with tokens."""


def test_authenticator_of_the_project_is_accepted(settings: Settings) -> None:
    """Chosen: the interface is public."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.Complete", SESSION, TOKEN]}

    assert run() == []


@pytest.mark.parametrize(
    "path", ["nowhere.Authenticator", f"{__name__}.Missing", "nodots", ""]
)
def test_authenticator_that_cannot_be_imported_is_an_error(
    settings: Settings, path: str
) -> None:
    """Chosen: else every request is answered 500."""
    settings.MCP = {"AUTHENTICATION": [SESSION, path]}

    message = only()

    assert message.id == "mcp_django.E004"
    assert message.msg.startswith(f"The authenticator {path!r} cannot be imported: ")
    assert message.hint == "MCP['AUTHENTICATION'] lists dotted paths of classes."


@pytest.mark.parametrize("name", ["Abstract", "Demanding", "run", "TOKEN", "Server"])
def test_authenticator_that_is_none_is_an_error(settings: Settings, name: str) -> None:
    """Chosen: else every request is answered 500."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.{name}"]}

    assert only() == checks.Error(
        f"'{__name__}.{name}' in MCP['AUTHENTICATION'] is not an authenticator.",
        hint="Name a subclass of mcp_django.auth.interface.Authenticator that has "
        "both methods and can be created without arguments.",
        id="mcp_django.E005",
    )


@pytest.mark.parametrize("path", [TOKEN, f"{__name__}.WithTokens"])
def test_tokens_without_their_app_are_an_error(settings: Settings, path: str) -> None:
    """Chosen: else every request is answered 500."""
    settings.MCP = {"AUTHENTICATION": [path]}

    assert run() == []
    with without_app("mcp_django.tokens"):
        assert only() == checks.Error(
            f"The authenticator {path!r} needs an app that is not installed.",
            hint="Add 'mcp_django.tokens' to INSTALLED_APPS and run migrate.",
            id="mcp_django.E006",
        )


def test_no_way_to_prove_who_one_is_is_an_error() -> None:
    """Chosen: else every request is answered 401, and nobody knows why."""
    with without_app("mcp_django.tokens"):
        assert run() == []
    with without_app("django.contrib.sessions", "django.contrib.admin"):
        assert run() == []
    with without_app(
        "django.contrib.sessions",
        "django.contrib.admin",
        "mcp_django.tokens",
        "oauth2_provider",
    ):
        message = only()

    assert (message.id, message.hint) == (
        "mcp_django.E008",
        "Add 'django.contrib.sessions' or 'mcp_django.tokens', or 'mcp_django.oauth' "
        "and 'oauth2_provider', to INSTALLED_APPS.",
    )


# Servers ------------------------------------------------------------------------


def test_two_servers_of_one_name_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: sessions and commands tell servers apart by name."""
    namesake = Server("site")
    monkeypatch.setattr(mcp, "namesake", namesake, raising=False)

    assert only() == checks.Error(
        "2 servers are named 'site'; sessions and commands tell servers apart by "
        "their names.",
        hint="Give each Server(...) a name of its own.",
        obj=namesake,
        id="mcp_django.E010",
    )


namesake_in_urls = Server("site")
urlpatterns = namesake_in_urls.urls("other")


def test_namesake_that_only_the_urlconf_knows_is_found(settings: Settings) -> None:
    """Chosen: it has sessions, too."""
    settings.ROOT_URLCONF = __name__

    assert only().obj is namesake_in_urls


def test_server_with_two_names_in_a_module_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: the same object is no duplicate."""
    monkeypatch.setattr(mcp, "alias", mcp.server, raising=False)

    assert run() == []


def make_server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """Give a server of the project with one good tool, `add`."""
    server = Server("other")
    monkeypatch.setattr(mcp, "other", server, raising=False)

    @server.tool
    def add(a: int, b: int) -> int:
        return a + b

    return server


@pytest.mark.parametrize("name", ["two words", "", "\u00e4", "a" * 129])
def test_invalid_name_that_was_put_in_by_hand_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Spec: 2025-11-25 server/tools, "Tool Names"; registering refuses it itself."""
    server = make_server(monkeypatch)
    add = server.tools["add"]
    server.tools[name] = replace(add, name=name, entry=add.entry | {"name": name})

    assert only() == checks.Error(
        f"tool name {name!r} must be 1 to 128 of the characters A-Z a-z 0-9 _ . -.",
        hint="Clients refuse other names.",
        obj=server,
        id="mcp_django.E011",
    )


def test_name_that_two_tools_show_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spec: 2025-11-25 server/tools, "Tool Names": unique within a server."""
    server = make_server(monkeypatch)
    server.tools["plus"] = server.tools["add"]

    assert only() == checks.Error(
        "two tools are shown to clients as 'add'.",
        hint="Give one another name.",
        obj=server,
        id="mcp_django.E012",
    )


def test_tool_that_cannot_be_called_as_it_is_shown_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: put in by hand under another key."""
    server = make_server(monkeypatch)
    server.tools["plus"] = server.tools.pop("add")

    assert only() == checks.Error(
        "the tool shown to clients as 'add' is called by 'plus'.",
        hint="Register it by @server.tool.",
        obj=server,
        id="mcp_django.E012",
    )


# Schemas ------------------------------------------------------------------------


class Tree(BaseModel):
    """A tree."""

    trees: list[Tree] = []


class Address(BaseModel):
    """Where somebody is at home, and where the post brings what is sent to them."""

    street: str
    city: str
    code: str
    country: str


class Journey(BaseModel):
    """From one place to the others."""

    start: Address
    first: Address
    second: Address
    third: Address
    fourth: Address
    end: Address


REFERRING = {
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/a"}},
    "$defs": {"a": {"type": "integer"}},
}


def test_schemas_that_keep_definitions_are_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: many hosts do not follow references."""
    server = make_server(monkeypatch)

    @server.tool
    def plan(journey: Journey, tree: Tree) -> list[Tree]:
        return [tree]

    hint = (
        "Use types that do not contain themselves and are used in fewer places, or "
        "tell in the tool's description what is expected."
    )
    assert run() == [
        checks.Warning(
            "The inputSchema of tool 'plan' has definitions, which many hosts do not "
            "follow: 'Address' in all its places would more than double the schema; "
            "'Tree' contains itself.",
            hint=hint,
            obj=server,
            id="mcp_django.W060",
        ),
        checks.Warning(
            "The outputSchema of tool 'plan' has definitions, which many hosts do not "
            "follow: 'Tree' contains itself.",
            hint=hint,
            obj=server,
            id="mcp_django.W060",
        ),
    ]


def test_references_in_schemas_of_the_project_are_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: they are published as they are, and many hosts do not follow them."""
    server = make_server(monkeypatch)

    @server.tool(input_schema=REFERRING, output_schema=REFERRING)
    def take(a: int) -> Any: ...

    assert server.tools["take"].entry["inputSchema"] == REFERRING
    assert server.tools["take"].entry["outputSchema"] == REFERRING
    assert run() == [
        checks.Warning(
            f"The {option} of tool 'take' refers to '#/$defs/a'; many hosts do not "
            "follow references, and tell their models of another type.",
            hint="Write what is referred to in the place of each reference.",
            obj=server,
            id="mcp_django.W061",
        )
        for option in ("input_schema", "output_schema")
    ]


def test_schemas_without_references_are_not_talked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: a type that is used once or twice is written where it is used."""
    server = make_server(monkeypatch)

    @server.tool
    def move(start: Address, end: Address | None = None) -> Address:
        return start

    assert run() == []


# Permissions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "id", "hint"),
    [
        (
            "auth.chnage_group",
            "W072",
            "Did you mean 'auth.change_group'? If a migration or an authentication "
            "backend knows it, silence this check.",
        ),
        (
            "zzz.zzzzzz",
            "W072",
            "If a migration or an authentication backend knows it, silence this check.",
        ),
        (
            "change_group",
            "W071",
            "Write app and codename, such as 'auth.change_group'.",
        ),
        (
            "zzzzzz",
            "W071",
            "Write app and codename, such as 'shop.change_order'.",
        ),
        ("", "E070", "Name one, such as 'shop.change_order', or leave it out."),
        (" ", "E070", "Name one, such as 'shop.change_order', or leave it out."),
    ],
)
@pytest.mark.parametrize("kind", ["tool", "resource", "prompt"])
def test_permission_that_nobody_can_have_is_told_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, kind: str, name: str, id: str, hint: str
) -> None:
    """Chosen: only superusers would see the feature. No database is asked."""
    server = make_server(monkeypatch)
    permission: list[str | Callable[..., Any]] = [
        "auth.view_user",
        lambda context: True,
        name,
    ]
    match kind:
        case "tool":
            server.tool(name="x", permission=permission)(lambda: 1)
        case "resource":
            server.resource("shop://x", permission=permission)(lambda: "x")
        case _:
            server.prompt(name="x", permission=permission)(lambda: "x")

    message = only()
    assert (message.id, message.hint, message.obj) == (f"mcp_django.{id}", hint, server)
    assert repr(name) in message.msg
    assert message.msg.startswith(kind)


def test_permissions_that_models_declare_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: the default ones, also of proxies, and those of `Meta.permissions`."""
    server = make_server(monkeypatch)
    for name in ("auth.add_user", "sessions.delete_session", "mcp_tokens.view_token"):
        server.tool(name=name.replace(".", "_"), permission=name)(lambda: 1)

    assert run() == []


# Daphne and ASGI ----------------------------------------------------------------


def test_runserver_of_staticfiles_is_a_warning(settings: Settings) -> None:
    """Chosen: it speaks WSGI. Other servers may serve the site, or stdio alone."""
    with override_settings(INSTALLED_APPS=in_order(STATIC, "mcp_django")):
        assert only() == checks.Warning(
            "'mcp_django' comes after 'django.contrib.staticfiles' in INSTALLED_APPS, "
            "whose `runserver` speaks WSGI, over which there are no MCP streams.",
            hint="Put 'mcp_django' above 'django.contrib.staticfiles'; silence this "
            "check if the site is used over stdio alone.",
            id="mcp_django.W020",
        )


@pytest.mark.parametrize(
    "apps",
    [
        ("mcp_django", STATIC),
        ("daphne", STATIC, "mcp_django"),
        ("mcp_django", "daphne", STATIC),
        ("mcp_django",),
    ],
)
def test_runserver_of_ours_or_of_daphne_is_right(apps: tuple[str, ...]) -> None:
    """Chosen: the first app with a `runserver` counts."""
    with override_settings(INSTALLED_APPS=in_order(*apps)):
        assert run() == []


@pytest.mark.parametrize("value", [None, ""])
def test_asgi_application_that_is_not_set_is_a_warning(
    settings: Settings, value: str | None
) -> None:
    """Chosen: the project speaks WSGI, as far as one can see."""
    settings.ASGI_APPLICATION = value

    message = only()

    assert (message.id, message.hint) == (
        "mcp_django.W022",
        "Set it to the path of `application = get_asgi_application()`, imported from "
        "mcp_django.asgi; silence this check if calls alone are enough.",
    )
    assert "no change notices" in message.msg


def test_asgi_application_that_is_deleted_is_a_warning(settings: Settings) -> None:
    """Chosen: as above; it has no default."""
    del settings.ASGI_APPLICATION

    assert ids() == ["mcp_django.W022"]


@pytest.mark.parametrize("value", ["nowhere.application", "tests.asgi.nothing", 7])
def test_asgi_application_that_cannot_be_imported_is_a_warning(
    settings: Settings, value: Any
) -> None:
    """Chosen: no error, so that `migrate` works where the server's parts are not."""
    settings.ASGI_APPLICATION = value

    message = only()

    assert message.id == "mcp_django.W023"
    assert message.msg.startswith(f"ASGI_APPLICATION {value!r} cannot be imported: ")


router = MCPRouter(ASGIHandler())


class Wrapper:
    """Middleware of some project."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        await self.inner(scope, receive, send)


class SlottedWrapper:
    """Middleware that keeps no dictionary."""

    __slots__ = ("app",)

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        await self.app(scope, receive, send)


def wrap(app: Any) -> Any:
    """Wrap an application as decorators do."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return wrapped


def wrap_nothing(app: Any) -> Any:
    """Wrap an application that is then forgotten."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)  # noqa: F821  # the point of it

    del app
    return wrapped


async def pass_to_global(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass everything on to an application of this module."""
    await router(scope, receive, send)


async def pass_first(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass everything on to an application that is an argument."""
    await app(scope, receive, send)


async def answer_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Have nothing to do with us."""


class Unreadable:
    """Does not let itself be looked into."""

    @property
    def __dict__(self) -> Any:  # type: ignore[override]  # the point of it
        raise RuntimeError("no")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do nothing."""


def make_endless_loop() -> Wrapper:
    """Wrap an application in itself."""
    loop = Wrapper(None)
    loop.inner = loop
    return loop


found: dict[str, Any] = {
    "router": router,
    "ours": get_asgi_application(),
    "protocols": ProtocolTypeRouter({"http": router, "websocket": answer_nothing}),
    "deep": ProtocolTypeRouter({"http": Wrapper(AuthMiddlewareStack(router))}),
    "attribute": Wrapper(router),
    "slot": SlottedWrapper(router),
    "closure": wrap(wrap(router)),
    "global": pass_to_global,
    "partial": functools.partial(pass_first, router),
    "method": Wrapper(router).__call__,
    "mounts": Wrapper({"/": [Wrapper(router)]}),
    "static": ASGIStaticFilesHandler(cast(Any, router)),
    "unreadable": Unreadable(),
}
not_found: dict[str, Any] = {
    "django": ASGIHandler(),
    "static": ASGIStaticFilesHandler(ASGIHandler()),
    "protocols": ProtocolTypeRouter({"http": ASGIHandler()}),
    "websocket": ProtocolTypeRouter({"websocket": router}),
    "wrapper": Wrapper(ASGIHandler()),
    "function": answer_nothing,
    "closure": wrap(answer_nothing),
    "forgotten": wrap_nothing(router),
    "loop": make_endless_loop(),
    "class": Wrapper,
    "none": None,
    "number": 7,
}


def path_of(monkeypatch: pytest.MonkeyPatch, application: Any) -> str:
    """Put an application where a dotted path finds it."""
    monkeypatch.setattr("tests.asgi.other", application, raising=False)
    return "tests.asgi.other"


@pytest.mark.parametrize("application", found.values(), ids=found.keys())
def test_application_with_our_router_is_not_talked_about(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, application: Any
) -> None:
    """Chosen: wherever it is wrapped in; what cannot be looked into is not judged."""
    settings.ASGI_APPLICATION = path_of(monkeypatch, application)

    assert run() == []


@pytest.mark.parametrize("application", not_found.values(), ids=not_found.keys())
def test_application_without_our_router_is_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, application: Any
) -> None:
    """Chosen: MCP works there, and each stream costs a thread."""
    settings.ASGI_APPLICATION = path = path_of(monkeypatch, application)
    settings.ROOT_URLCONF = "tests.urls_without_oauth"

    assert only() == checks.Warning(
        f"ASGI_APPLICATION {path!r} sends MCP requests through Django's views, where "
        "each open stream holds a thread.",
        hint="Use mcp_django.asgi.get_asgi_application in place of Django's, or wrap "
        "the application in mcp_django.asgi.MCPRouter.",
        id="mcp_django.W024",
    )


def test_way_in_that_says_nothing_of_oauth_is_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: after a 401 clients look for it, and show what they get."""
    settings.ASGI_APPLICATION = path_of(monkeypatch, ASGIHandler())

    with root_urlconf(*mcp.server.urls("mcp")):
        found = run()

    assert [message.id for message in found] == ["mcp_django.W024", "mcp_django.W026"]
    assert found[1].hint == (
        'Add path("", include("mcp_django.urls")) at the end of ROOT_URLCONF, or do as '
        "for mcp_django.W024."
    )


def test_oauth_is_not_talked_about_where_nobody_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: without a 401 nobody looks for it."""
    settings.DEBUG = True
    settings.MCP = {"AUTHENTICATION": []}
    settings.ASGI_APPLICATION = path_of(monkeypatch, ASGIHandler())

    assert only().id == "mcp_django.W024"


@pytest.mark.parametrize("urlconf", ["django.contrib.auth.urls", "nowhere.urls"])
def test_way_in_is_not_talked_about_where_no_endpoint_is(
    settings: Settings, urlconf: str
) -> None:
    """Chosen: the project uses stdio alone, or has another trouble first."""
    settings.ROOT_URLCONF = urlconf
    settings.ASGI_APPLICATION = None

    assert run() == []


# Where URLs are looked for ------------------------------------------------------


def choose_urlconf(request: Any) -> None:
    """Be what middleware of a subdomain calls."""
    setattr(request, "urlconf", "tests.conformance.urls")  # noqa: B010


class SettingMiddleware:
    """Chooses a URLconf, as old-style middleware of hosts does."""

    def process_request(self, request: HttpRequest) -> None:
        """Choose."""
        request.urlconf = "tests.conformance.urls"


class InheritingMiddleware(SettingMiddleware):
    """Has it from another class."""


class StaticMiddleware:
    """Has it in a static method, as that of tenants."""

    @staticmethod
    def setup_url_routing(request: Any) -> None:
        """Choose."""
        request.urlconf = "tests.conformance.urls"


class CallingMiddleware:
    """Calls a function of its own package."""

    def __call__(self, request: HttpRequest) -> None:
        """Choose."""
        choose_urlconf(request)


def setting_middleware(get_response: Any) -> Any:
    """Be a middleware that is a function."""

    def middleware(request: Any) -> Any:
        request.urlconf = None
        return get_response(request)

    return middleware


class ReadingMiddleware:
    """Looks at the URLconf, and chooses none."""

    urlconf = "mine"

    def __call__(self, request: Any) -> Any:
        """Look."""
        return getattr(request, "urlconf", self.urlconf)


@pytest.mark.parametrize(
    "name",
    [
        "SettingMiddleware",
        "InheritingMiddleware",
        "StaticMiddleware",
        "CallingMiddleware",
        "setting_middleware",
    ],
)
@pytest.mark.parametrize("urlconf", ["tests.urls", "django.contrib.auth.urls"])
def test_middleware_that_chooses_a_urlconf_is_a_warning(
    settings: Settings, name: str, urlconf: str
) -> None:
    """Chosen: MCP requests do not pass it."""
    settings.ROOT_URLCONF = urlconf
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.{name}"]

    assert only() == checks.Warning(
        f"'{__name__}.{name}' in MIDDLEWARE sets request.urlconf, and MCP requests "
        "pass no middleware: their endpoints are those of ROOT_URLCONF, at every host.",
        hint=f"Put server.urls() into {urlconf!r}, and let authentication, permission= "
        "and @server.around say who sees what; then silence this check.",
        id="mcp_django.W025",
    )


@pytest.mark.parametrize(
    "path",
    [
        f"{__name__}.ReadingMiddleware",
        f"{__name__}.nothing",
        "nowhere.Middleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
        "mcp_django.middleware.OriginMiddleware",
    ],
)
def test_middleware_that_chooses_none_is_not_talked_about(
    settings: Settings, path: str
) -> None:
    """Chosen: what cannot be imported is Django's business."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, path]

    assert run() == []


# Channel layers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "alias"),
    [({}, "default"), ({"default": {}}, "other"), (None, "default")],
)
def test_channel_layer_that_is_missing_is_a_warning(
    settings: Settings, layers: Any, alias: str
) -> None:
    """Chosen: all works in one process."""
    settings.CHANNEL_LAYERS = layers
    settings.MCP = {"CHANNEL_LAYER": alias}

    assert only() == checks.Warning(
        f"CHANNEL_LAYERS has no {alias!r}, so MCP works in one process only.",
        hint="Configure channels_redis for several processes, or "
        "'channels.layers.InMemoryChannelLayer' to say that there is one.",
        id="mcp_django.W030",
    )


def test_channel_layers_that_are_not_set_are_a_warning(settings: Settings) -> None:
    """Chosen: as above; the setting has no default."""
    del settings.CHANNEL_LAYERS

    assert ids() == ["mcp_django.W030"]


@pytest.mark.parametrize("config", [{}, {"BACKEND": "nowhere.Layer"}, 7])
def test_channel_layer_that_cannot_be_imported_is_an_error(
    settings: Settings, config: Any
) -> None:
    """Chosen: else no stream can be opened."""
    settings.CHANNEL_LAYERS = {"default": config}

    assert ids(deploy=True) == ["mcp_django.E031"]
    assert only().hint == (
        "The one for Redis is installed by `pip install 'mcp-django-channels[redis]'`."
    )


class OtherLayer(BaseChannelLayer):
    """A channel layer of somebody else."""


def test_channel_layer_in_memory_is_a_warning_for_deployment_only(
    settings: Settings,
) -> None:
    """Chosen: right for development, and for one process."""
    assert ids() == []
    [message] = run(deploy=True)
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.OtherLayer"}}
    assert ids(deploy=True) == []

    assert (message.id, message.hint) == (
        "mcp_django.W032",
        "Use channels_redis, or silence this check if there is one process.",
    )


@pytest.mark.parametrize(
    "layers", [{}, {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}]
)
def test_kept_credentials_without_a_layer_that_joins_processes_are_a_warning(
    settings: Settings, layers: dict[str, Any]
) -> None:
    """Chosen: `mcp_token revoke` is a process of its own, which then tells no other."""
    settings.CHANNEL_LAYERS = layers
    settings.MCP = {"CREDENTIAL_CACHE_SECONDS": 30}
    assert "mcp_django.W034" not in ids()
    *_, message = run(deploy=True)

    assert message == checks.Warning(
        "MCP['CREDENTIAL_CACHE_SECONDS'] is 30, and no channel layer joins processes: "
        "a token that another one revokes, such as `mcp_token revoke`, is accepted "
        "until these seconds are over.",
        hint="Use channels_redis, or silence this check if that is soon enough.",
        id="mcp_django.W034",
    )


def test_kept_credentials_are_no_warning_where_a_layer_joins_processes(
    settings: Settings,
) -> None:
    """Chosen: there the end of a credential is told."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.OtherLayer"}}
    settings.MCP = {"CREDENTIAL_CACHE_SECONDS": 30}

    assert ids(deploy=True) == []


def redis_layer(layer: str, *hosts: Any) -> dict[str, Any]:
    """Configure a layer of channels_redis."""
    return {"default": {"BACKEND": layer, "CONFIG": {"hosts": list(hosts)}}}


CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
URL = "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize(
    ("layer", "hosts", "redis_version", "is_warned"),
    [
        (CORE, [URL], "7.4.1", False),
        (CORE, [URL], "8.0.0", True),
        (CORE, [URL], "10.1", True),
        (CORE, [("127.0.0.1", 6379)], "8.0.0", True),
        (CORE, [], "8.0.0", True),
        (CORE, [{"address": URL}], "8.0.0", True),
        (CORE, [{"address": URL, "socket_timeout": 30}], "8.0.0", False),
        (CORE, [{"address": URL, "socket_timeout": None}], "8.0.0", False),
        (CORE, [{"address": URL, "socket_timeout": 5}], "8.0.0", True),
        (CORE, [{"address": URL, "socket_timeout": 5}], "7.4.1", True),
        (CORE, [f"{URL}?socket_timeout=30"], "8.0.0", False),
        (CORE, [f"{URL}?socket_timeout=2"], "7.4.1", True),
        (CORE, [{"address": URL, "socket_timeout": 30}, URL], "8.0.0", True),
        (PUBSUB, [URL], "8.0.0", False),
        (f"{__name__}.OtherLayer", [URL], "8.0.0", False),
        (CORE, [{"address": URL, "socket_timeout": "x"}], "8.0.0", False),
        (CORE, [URL], "unknown", False),
        (CORE, None, "8.0.0", True),
    ],
)
def test_redis_connections_that_end_while_they_wait_are_a_warning(
    settings: Settings,
    layer: str,
    hosts: list[Any] | None,
    redis_version: str,
    is_warned: bool,
) -> None:
    """Chosen: redis-py 8 times out by default after as long as the layer waits."""
    settings.CHANNEL_LAYERS = redis_layer(layer, *(hosts or ()))
    if hosts is None:
        del settings.CHANNEL_LAYERS["default"]["CONFIG"]

    messages = check_redis_timeout(redis_version=redis_version)

    assert (
        messages
        == [
            checks.Warning(
                "Connections of CHANNEL_LAYERS['default'] to Redis time out while they "
                "wait for messages, so MCP messages between processes are lost.",
                hint='Write each of "hosts" as {"address": "redis://...", '
                '"socket_timeout": 30}.',
                id="mcp_django.W033",
            )
        ]
        * is_warned
    )


def test_installed_redis_is_the_one_that_is_looked_at(settings: Settings) -> None:
    """Chosen: our own extra asks for a version below 8."""
    settings.CHANNEL_LAYERS = redis_layer(CORE, URL)
    assert ids(deploy=True) == []
    settings.CHANNEL_LAYERS = redis_layer(CORE, {"address": URL, "socket_timeout": 1})
    assert ids(deploy=True) == ["mcp_django.W033"]


# Hosts and origins --------------------------------------------------------------


def test_all_hosts_are_a_warning(settings: Settings) -> None:
    """Chosen: MCP then takes loopback names only, which surprises in production."""
    settings.ALLOWED_HOSTS = ["testserver", "*"]

    message = only()

    assert (message.id, message.hint) == (
        "mcp_django.W040",
        "List the site's names in ALLOWED_HOSTS.",
    )


def test_all_hosts_for_mcp_are_a_warning(settings: Settings) -> None:
    """Spec: 2025-11-25 basic/transports, "Security Warning" (DNS rebinding)."""
    settings.MCP = {"ALLOWED_HOSTS": ["*"]}

    message = only()

    assert (message.id, message.hint) == ("mcp_django.W041", "List the site's names.")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"CORS_ALLOW_ALL_ORIGINS": True}, ["mcp_django.W042"]),
        (
            {
                "CORS_ALLOW_ALL_ORIGINS": True,
                "CORS_ALLOW_CREDENTIALS": True,
                "MCP": {"AUTHENTICATION": [TOKEN]},
            },
            ["mcp_django.W042"],
        ),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [".*"]}, ["mcp_django.W042"]),
        (
            {"CORS_ALLOW_ALL_ORIGINS": True, "MCP": {"AUTHENTICATION": [TOKEN]}},
            [],
        ),
        (
            {
                "CORS_ALLOW_ALL_ORIGINS": True,
                "MCP": {"AUTHENTICATION": []},
                "DEBUG": True,
            },
            [],
        ),
        ({"CORS_ALLOW_CREDENTIALS": True}, []),
        (
            {
                "CORS_ALLOWED_ORIGINS": ["https://app.example"],
                "CORS_ALLOWED_ORIGIN_REGEXES": [r"https://\w+\.app\.example"],
                "CORS_ALLOW_CREDENTIALS": True,
            },
            [],
        ),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": ["("]}, []),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [7]}, []),
    ],
)
def test_cookies_with_every_origin_are_a_warning(
    settings: Settings, overrides: dict[str, Any], expected: list[str]
) -> None:
    """Chosen: any page could then act as the user, or its author expects so."""
    for name, value in overrides.items():
        setattr(settings, name, value)

    assert ids() == expected


def test_remedy_for_cookies_with_every_origin_is_named(settings: Settings) -> None:
    """Chosen: as above."""
    settings.CORS_ALLOW_ALL_ORIGINS = True

    assert only().hint == (
        "List origins in CORS_ALLOWED_ORIGINS or MCP['ALLOWED_ORIGINS']."
    )


class ProjectCorsMiddleware(CorsMiddleware):
    """A project's own, built on the stock class."""


class ProjectOurCorsMiddleware(OurCorsMiddleware):
    """A project's own, built on ours."""


@pytest.mark.parametrize(
    "path",
    ["corsheaders.middleware.CorsMiddleware", f"{__name__}.ProjectCorsMiddleware"],
)
def test_stock_cors_middleware_is_a_warning(settings: Settings, path: str) -> None:
    """Chosen: it allows neither our headers nor `MCP["ALLOWED_ORIGINS"]`."""
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", path]

    assert only() == checks.Warning(
        f"{path!r} in MIDDLEWARE does not know what MCP endpoints need.",
        hint="Put 'mcp_django.middleware.CorsMiddleware' in its place; on the rest of "
        "the site it does the same.",
        id="mcp_django.W043",
    )


@pytest.mark.parametrize(
    "path",
    [
        "mcp_django.middleware.CorsMiddleware",
        f"{__name__}.ProjectOurCorsMiddleware",
        f"{__name__}.wrap",
        "nowhere.Middleware",
    ],
)
def test_other_middleware_is_not_talked_about(settings: Settings, path: str) -> None:
    """Chosen: ours is right, and what is missing Django says itself."""
    settings.MIDDLEWARE = [path]
    # Django's own checks of its middleware are not ours.

    assert run() == []


# Whatever there is --------------------------------------------------------------


@pytest.fixture(
    params=[
        {"MCP": 7},
        {"MCP": ["x"]},
        {"MCP": {"AUTHENTICATION": 7}},
        {"MCP": {"CHANNEL_LAYER": []}},
        {"MCP": {"ALLOWED_HOSTS": 7}},
        {"MCP": {1: 2, None: 3}},
        {"MIDDLEWARE": None},
        {"MIDDLEWARE": [None, 7, "", "."]},
        {"ALLOWED_HOSTS": None},
        {"ALLOWED_HOSTS": 7},
        {"CHANNEL_LAYERS": []},
        {"CHANNEL_LAYERS": {"default": None}},
        {"CHANNEL_LAYERS": {"default": {"BACKEND": 7}}},
        {"CHANNEL_LAYERS": {"default": {"BACKEND": CORE}}},
        {"CHANNEL_LAYERS": {"default": {"BACKEND": CORE, "CONFIG": 7}}},
        {"CHANNEL_LAYERS": redis_layer(CORE, None, 7, b"x", "redis://[")},
        {"ASGI_APPLICATION": object()},
        {"ASGI_APPLICATION": "."},
        {"ROOT_URLCONF": "django.conf"},
        {"CORS_ALLOWED_ORIGIN_REGEXES": 7},
    ],
    ids=str,
)
def odd_settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give a project that is wrong in one way or another."""
    with override_settings(**request.param):
        yield


@pytest.mark.usefixtures("odd_settings")
def test_no_check_ever_raises() -> None:
    """Chosen: a check that fails hides what the others say."""
    for message in run(deploy=True):
        assert str(message)
