"""Watching models: whose rows change, and who is told of it."""

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models, transaction
from django.db.models import Model, signals
from django.test.utils import isolate_apps

from mcp_django import Server
from mcp_django.server.notices import Notice, noticed

pytestmark = pytest.mark.django_db(transaction=True)

Told = list[str]

UNTOLD = "cannot tell which 'site://groups/{pk}' changed; mend what makes its URI"


class Color(Enum):
    """A class of Python's own."""

    RED = "red"


class Size(models.TextChoices):
    """A class of Django's."""

    LARGE = "L", "large"


@pytest.fixture
def server() -> Server:
    """A server with resources at fixed URIs and at templates."""
    server = Server("site")
    server.resource("site://stats", name="stats")(lambda: "None.")
    server.resource("site://groups/{pk}", name="group")(lambda pk: pk)
    server.resource("site://users/{username}", name="user")(lambda username: username)
    server.resource("site://search/{name}{?order}", name="search")(
        lambda name, order=None: name
    )
    server.resource("site://permissions/{app}/{code}", name="permission")(
        lambda app, code: code
    )
    server.resource("site://tags{/tags*}", name="tags")(lambda tags=None: "x")
    return server


@pytest.fixture
def told(server: Server) -> Iterator[Told]:
    """Give the list of URIs that clients were told of."""
    uris: Told = []

    def note(sender: Server, notice: Notice, **kwargs: Any) -> None:
        assert notice.topic == "resource"
        uris.append(notice.subject)

    noticed.connect(note, sender=server)
    yield uris
    noticed.disconnect(note, sender=server)


def assert_refuses(watch: Callable[[], None], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        watch()
    assert str(caught.value) == message


# Who is told ------------------------------------------------------------------------


def test_row_that_is_made_changed_or_deleted_is_told(
    server: Server, told: Told
) -> None:
    """Our choice: whatever wrote it, clients hear of it."""
    server.watch(Group, "site://groups/{pk}")
    group = Group.objects.create(name="readers")
    uri = f"site://groups/{group.pk}"
    group.save()
    Group.objects.update_or_create(pk=group.pk, defaults={"name": "writers"})
    assert told == [uri] * 3
    group.delete()
    assert told == [uri] * 4
    assert group.pk is None


def test_row_that_is_deleted_is_told_to_be_gone(server: Server) -> None:
    """Our choice: nobody can say any more who may read it; a fixed URI is still
    there."""
    server.watch(Group, "site://groups/{pk}")
    server.watch(Group, "site://stats")
    notices: list[Notice] = []

    def note(notice: Notice, **kwargs: Any) -> None:
        notices.append(notice)

    noticed.connect(note, sender=server)
    group = Group.objects.create(name="readers")
    uri = f"site://groups/{group.pk}"
    group.delete()
    noticed.disconnect(note, sender=server)
    assert notices == [
        Notice("resource", uri),
        Notice("resource", "site://stats"),
        Notice("resource", uri, is_gone=True),
        Notice("resource", "site://stats"),
    ]


def test_rows_that_are_deleted_together_are_told_one_by_one(
    server: Server, told: Told
) -> None:
    """Our choice: also those that go with others."""
    server.watch(Permission, "site://permissions/{app}/{code}", **BY_PATH)
    kind = ContentType.objects.create(app_label="site", model="page")
    for code in ("read", "write"):
        Permission.objects.create(content_type=kind, codename=code, name=code)
    told.clear()
    kind.delete()
    assert sorted(told) == [
        "site://permissions/site/read",
        "site://permissions/site/write",
    ]


BY_PATH: dict[str, Any] = {"app": "content_type.app_label", "code": "codename"}


def test_variables_are_attributes_of_the_same_name_unless_others_are_named(
    server: Server, told: Told
) -> None:
    """Our choice: what is obvious need not be said."""
    server.watch(User, "site://users/{username}")
    server.watch(
        Group, "site://search/{name}{?order}", order=lambda group: len(group.name)
    )
    server.watch(Permission, "site://permissions/{app}/{code}", **BY_PATH)
    User.objects.create(username="ada b/c")
    Group.objects.create(name="readers")
    kind = ContentType.objects.create(app_label="site", model="page")
    Permission.objects.create(content_type=kind, codename="read", name="Read")
    assert told == [
        "site://users/ada%20b%2Fc",
        "site://search/readers?order=7",
        "site://permissions/site/read",
    ]


def test_resource_may_be_named_by_its_function(server: Server, told: Told) -> None:
    """Our choice: as for completions."""

    @server.resource("site://members/{pk}")
    def member(pk: int) -> str:
        return str(pk)

    server.watch(User, member)
    user = User.objects.create(username="ada")
    assert told == [f"site://members/{user.pk}"]


@pytest.mark.parametrize(
    ("annotation", "value", "written"),
    [
        (str, "a@b.c it's Grün~", "a@b.c it's gr%c3%bcn%7e".replace("gr", "Gr")),
        (bool, True, "true"),
        (datetime, datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00Z"),
        (date, date(2026, 1, 2), "2026-01-02"),
        (Decimal, Decimal("1.50"), "1.5"),
        (UUID, UUID(int=7), str(UUID(int=7)).upper()),
        (Color, Color.RED, "red"),
        (Size, Size.LARGE, "L"),
    ],
)
def test_value_of_a_row_names_what_a_client_reads_by_it(
    server: Server, told: Told, annotation: Any, value: Any, written: str
) -> None:
    """Our choice: whoever subscribed to it is told, however the value is written."""

    def read(value: Any) -> str:
        return "x"

    read.__annotations__["value"] = annotation
    server.resource("site://things/{value}")(read)
    server.watch(Group, "site://things/{value}", value=lambda group: value)
    Group.objects.create(name="readers")
    [uri] = told
    assert server.resource_keys.of(uri) == server.resource_keys.of(
        f"site://things/{written}"
    )


def test_fixed_uri_is_told_of_with_every_row(server: Server, told: Told) -> None:
    """Our choice: a resource may be made of many rows, of several models."""
    server.watch(Group, "site://stats")
    server.watch(User, "site://stats")
    Group.objects.create(name="readers")
    User.objects.create(username="ada")
    assert told == ["site://stats"] * 2


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        (["a", 1], "site://tags/a/1"),
        (("a b",), "site://tags/a%20b"),
        ({"a": 1}, "site://tags/a=1"),
        ([], "site://tags"),
        (None, "site://tags"),
        (7, "site://tags/7"),
    ],
)
def test_values_are_written_as_templates_take_them(
    server: Server, told: Told, value: Any, uri: str
) -> None:
    """Spec: RFC 6570, section 3.2.1, "Variable Expansion"."""
    server.watch(Group, "site://tags{/tags*}", tags=lambda group: value)
    Group.objects.create(name="readers")
    assert told == [uri]


@pytest.mark.parametrize("value", [None, ""])
def test_row_without_a_value_has_no_uri(
    server: Server, told: Told, value: str | None
) -> None:
    """Our choice: nobody can have subscribed to what the template does not match."""
    server.watch(Group, "site://groups/{pk}", pk=lambda group: value)
    Group.objects.create(name="readers")
    assert told == []


def test_other_models_and_servers_are_left_alone(server: Server, told: Told) -> None:
    """Our choice: each watch is of one model, on one server."""
    other = Server("other")
    other.resource("site://groups/{pk}", name="group")(lambda pk: pk)
    other.watch(Group, "site://groups/{pk}")
    server.watch(User, "site://users/{username}")
    Group.objects.create(name="readers")
    assert told == []
    assert not signals.post_delete.has_listeners(ContentType), "deletes stay fast"


@isolate_apps("tests.site")
def test_proxies_count_as_their_model(server: Server, told: Told) -> None:
    """Our choice: Django sends their signals in their own name."""

    class Team(Group):
        class Meta:
            proxy = True
            app_label = "site"

    class Crew(Team):
        class Meta:
            proxy = True
            app_label = "site"

    server.watch(Group, "site://groups/{pk}")
    for kind in (Group, Team, Crew):
        group: Group = kind(name=kind.__name__)
        group.save()
    assert len(told) == 3
    assert len(set(told)) == 3


# When -------------------------------------------------------------------------------


def test_clients_are_told_once_the_transaction_is_committed(
    server: Server, told: Told
) -> None:
    """Our choice: a client that reads at once must find what changed."""
    server.watch(Group, "site://groups/{pk}")
    with transaction.atomic():
        group = Group.objects.create(name="readers")
        assert told == []
    assert told == [f"site://groups/{group.pk}"]
    with pytest.raises(LookupError), transaction.atomic():
        group.save()
        raise LookupError("no such order")
    assert len(told) == 1


@pytest.fixture
def other_database() -> Iterator[str]:
    """Give the alias of a second connection to the test database."""
    connection = connections["default"].copy(alias="other")
    connections["other"] = connection
    yield "other"
    connection.close()
    del connections["other"]


def test_transaction_is_that_of_the_row_s_own_database(
    server: Server, told: Told, other_database: str
) -> None:
    """Our choice: sites may have several."""
    server.watch(Group, "site://groups/{pk}")
    with transaction.atomic(using=other_database):
        group = Group(name="readers")
        group.save(using=other_database)
        assert told == []
    assert told == [f"site://groups/{group.pk}"]
    with transaction.atomic(using=other_database):
        group.delete(using=other_database)
        assert len(told) == 1
    assert len(told) == 2


def test_transaction_of_another_database_is_not_waited_for(
    server: Server, told: Told, other_database: str
) -> None:
    """Our choice: it says nothing of this row."""
    with transaction.atomic():
        server.resource_updated("site://stats", using=other_database)
        assert told == ["site://stats"]
        server.resource_updated("site://stats")
        assert len(told) == 1
    assert len(told) == 2


def test_fixtures_are_loaded_in_silence(server: Server, told: Told) -> None:
    """Our choice: what a row refers to may not be there yet."""
    server.watch(Group, "site://groups/{pk}")
    Group(pk=7, name="readers").save_base(raw=True)
    assert told == []


def test_row_is_saved_although_it_cannot_be_told(
    server: Server, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a notice is never worth a row."""
    server.watch(Group, "site://groups/{pk}", pk=lambda group: group.nothing)
    with caplog.at_level(logging.ERROR, "mcp_django.server"):
        Group.objects.create(name="readers")
    assert Group.objects.filter(name="readers").exists()
    assert told == []
    [record] = caplog.records
    assert record.getMessage() == UNTOLD
    assert record.exc_info is not None


def test_watch_lives_as_long_as_its_server() -> None:
    """Our choice: signals hold nothing of ours."""
    server = Server("short")
    server.resource("site://stats", name="stats")(lambda: "None.")
    server.watch(Group, "site://stats")
    left = weakref.ref(server)
    del server
    gc.collect()
    assert left() is None


# Registering ------------------------------------------------------------------------


def test_resource_has_to_be_registered_first(server: Server) -> None:
    """Our choice: a mistake is told at once."""
    assert_refuses(
        lambda: server.watch(Group, "site://groups/{id}"),
        "server 'site' has no resource 'site://groups/{id}'; register it before it is "
        "watched",
    )


@pytest.mark.parametrize("model", ["auth.Group", Group(), object])
def test_only_models_can_be_watched(server: Server, model: Any) -> None:
    """Our choice: a mistake is told at once."""
    assert_refuses(
        lambda: server.watch(model, "site://stats"),
        f"watch needs a model class, not {model!r}",
    )


@pytest.mark.parametrize(
    ("model", "variables", "source"),
    [
        (Group, {}, "username"),
        (User, {"username": "account.name"}, "account.name"),
        (Permission, {"username": "content_type.nope"}, "content_type.nope"),
        (Permission, {"username": "content_type.nope.x"}, "content_type.nope.x"),
    ],
)
def test_variable_without_an_attribute_is_refused(
    server: Server, model: type[Model], variables: dict[str, Any], source: str
) -> None:
    """Our choice: a mistake is told at once."""
    assert_refuses(
        lambda: server.watch(model, "site://users/{username}", **variables),
        f"{model.__name__} has no attribute {source!r} for the variable 'username'; "
        "name another one, or a function, as in username='pk'",
    )


async def name_later(group: Group) -> str:
    return group.name


@pytest.mark.parametrize("source", [5, None, ["name"], name_later])
def test_source_that_gives_no_value_is_refused(server: Server, source: Any) -> None:
    """Our choice: it would never be told of, and nobody would know why."""
    with pytest.raises(ValueError, match="the source of variable 'pk' is"):
        server.watch(Group, "site://groups/{pk}", pk=source)


class Later:
    """What some other function promises to give."""

    def __await__(self) -> Iterator[str]:
        yield "1"


def test_awaitable_is_no_value_of_a_variable(
    server: Server, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: its text names no row; the log says so."""
    server.watch(Group, "site://groups/{pk}", pk=lambda group: Later())
    Group.objects.create(name="readers")
    assert told == []
    assert caplog.messages == [UNTOLD]


def test_variable_that_the_template_has_not_is_refused(server: Server) -> None:
    """Our choice: a mistake is told at once."""
    assert_refuses(
        lambda: server.watch(Group, "site://groups/{pk}", id="pk", a="name"),
        "'site://groups/{pk}' has no variables ['a', 'id']; it has ['pk']",
    )
    assert_refuses(
        lambda: server.watch(Group, "site://stats", pk="pk"),
        "'site://stats' has no variables ['pk']; it has []",
    )


def test_watching_twice_is_refused(server: Server, told: Told) -> None:
    """Our choice: a mistake is told at once, and nothing is told twice."""
    server.watch(Group, "site://stats")
    assert_refuses(
        lambda: server.watch(Group, "site://stats"),
        "Group is watched for 'site://stats' already; once is enough",
    )
    Group.objects.create(name="readers")
    assert told == ["site://stats"]
