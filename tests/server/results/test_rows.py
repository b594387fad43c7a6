"""Rows of the database as results of tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, Permission, User
from django.core.files.storage import InMemoryStorage, Storage
from django.db.models import CharField, FileField, Model, QuerySet
from pydantic import BaseModel
from typing_extensions import TypedDict

from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.server import Server
from tests.server.calls import MODERN, Caller

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class GroupData:
    name: str


@dataclass
class UserData:
    username: str
    groups: list[GroupData]


class UserDict(TypedDict):
    username: str
    groups: list[GroupData]
    nickname: NotRequired[str]


class GroupModel(BaseModel):
    name: str


class UserModel(BaseModel):
    username: str
    groups: list[GroupModel]


class ShelfModel(BaseModel):
    title: str
    users: list[UserModel]


@dataclass
class ShelfData:
    title: str
    users: list[UserData]


class Poster(Model):
    """A row with a file; it has no table."""

    title = CharField()
    picture = FileField(storage=InMemoryStorage(base_url="/media/"))
    plan = FileField(storage=Storage())

    class Meta:
        app_label = "auth"
        managed = False

    def __str__(self) -> str:
        return self.title


class PosterModel(BaseModel):
    title: str
    picture: str
    plan: str = ""


class PosterDict(TypedDict):
    title: str
    picture: str | None
    plan: str


@dataclass
class KindData:
    model: str


@dataclass
class RightData:
    codename: str
    content_type: KindData | None
    note: str = "left out"


@dataclass
class WrongData:
    shoe_size: int


class Plain(BaseModel):
    username: str


ADA = {"username": "ada", "groups": [{"name": "poets"}]}
BOB: JSONObject = {"username": "bob", "groups": []}


@pytest.fixture(autouse=True)
def users() -> None:
    """Two users, one of them in a group."""
    ada = User.objects.create_user("ada", password="secret")
    ada.groups.add(Group.objects.create(name="poets"))
    User.objects.create_user("bob")


def everybody() -> QuerySet[User]:
    return User.objects.order_by("username")


def poets() -> dict[str, Any]:
    return {"title": "Poets", "users": everybody()}


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(
    ("returns", "make", "structured"),
    [
        (list[UserData], everybody, [ADA, BOB]),
        (list[UserDict], everybody, [ADA, BOB]),
        (list[Plain], everybody, [{"username": "ada"}, {"username": "bob"}]),
        (Sequence[UserData], everybody, [ADA, BOB]),
        (tuple[UserData, ...], everybody, [ADA, BOB]),
        (list[UserData] | None, everybody, [ADA, BOB]),
        (list[GroupData], lambda: Group.objects, [{"name": "poets"}]),
        (
            list[GroupData],
            lambda: Group.objects.raw("SELECT * FROM auth_group"),
            [{"name": "poets"}],
        ),
        (list[UserData], lambda: everybody()[:1], [ADA]),
        (
            list[dict[str, Any]],
            lambda: everybody().values("username"),
            [{"username": "ada"}, {"username": "bob"}],
        ),
        (list[str], lambda: everybody().values_list("username", flat=True), None),
        (list, lambda: everybody().values("username"), None),
        (Any, lambda: everybody().values("username"), None),
        (list[UserData], lambda: everybody().iterator(), [ADA, BOB]),
        (list[UserData], lambda: (user for user in everybody().iterator()), [ADA, BOB]),
        (
            list[str],
            lambda: map(str, everybody().iterator()),
            ["ada", "bob"],
        ),
        (list[int], lambda: iter([1]), [1]),
        (dict[str, list[Plain]], lambda: {"all": everybody()}, None),
    ],
)
async def test_queryset_is_taken_where_its_rows_are_described(
    returns: Any, make: Any, structured: Any, is_async: bool
) -> None:
    """We promise it: it is read in a thread, whoever returns it."""
    server = Server("shop")

    async def show_async() -> Any:
        return make()

    def show() -> Any:
        return make()

    function = show_async if is_async else show
    function.__annotations__["return"] = returns
    server.tool(name="show")(function)

    result = await Caller(server).call_tool("show")

    if structured is not None:
        assert result["structuredContent"] == {"result": structured}
    assert not result.get("isError")


@pytest.mark.parametrize("returns", [UserData, UserDict])
async def test_instance_is_taken_by_its_attributes(returns: Any) -> None:
    """We promise it: what it is related to as well, and nothing else."""
    server = Server("shop")

    async def show() -> Any:
        return await User.objects.aget(username="ada")

    show.__annotations__["return"] = returns
    server.tool(show)

    assert (await Caller(server).call_tool("show"))["structuredContent"] == ADA


async def test_rows_within_other_values_are_taken() -> None:
    """We chose it: pydantic's models at any depth."""
    server = Server("shop")

    @server.tool
    async def shelf() -> ShelfModel:
        return {"title": "Poets", "users": everybody()}  # type: ignore[return-value]

    result = await Caller(server).call_tool("shelf")
    assert result["structuredContent"] == {"title": "Poets", "users": [ADA, BOB]}


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(
    ("returns", "make"),
    [
        (ShelfData, lambda: ShelfData("Poets", everybody())),  # type: ignore[arg-type]
        (ShelfData, lambda: ShelfData("Poets", list(everybody()))),  # type: ignore[arg-type]
        (ShelfModel, lambda: ShelfModel.model_construct(None, **poets())),
        (ShelfModel | None, lambda: ShelfModel.model_construct(None, **poets())),
        (list[ShelfData], lambda: [ShelfData("Poets", everybody())]),  # type: ignore[arg-type]
    ],
)
async def test_rows_within_instances_are_taken(
    returns: Any, make: Callable[[], Any], is_async: bool
) -> None:
    """We chose it: what the instance is annotated to have."""
    server = Server("shop")

    async def show_async() -> Any:
        return await sync_to_async(make)()

    function = show_async if is_async else (lambda: make())
    function.__annotations__["return"] = returns
    server.tool(name="show", structured=True)(function)
    server.resource("shop://users")(function)

    result = await Caller(server, version=MODERN).call_tool("show")
    expected: JSON = {"title": "Poets", "users": [ADA, BOB]}
    if returns == list[ShelfData]:
        expected = [expected]
    assert result["structuredContent"] == expected
    read = await Caller(server).call("resources/read", {"uri": "shop://users"})
    assert json.loads(read["contents"][0]["text"]) == expected


async def test_async_iterator_is_read() -> None:
    """We chose it: a queryset's own, and those of async generators."""
    server = Server("shop")

    @server.tool
    async def rows() -> list[UserData]:
        return everybody().aiterator()  # type: ignore[return-value]

    @server.resource("shop://names")
    async def names() -> list[str]:
        return (user.username async for user in everybody())  # type: ignore[return-value]

    @server.prompt
    async def greet(name: str) -> str:
        return name

    @server.completion(greet, "name")
    async def complete(value: str) -> list[str]:
        return (user.username async for user in everybody())  # type: ignore[return-value]

    caller = Caller(server)
    shown = await caller.call_tool("rows")
    assert shown["structuredContent"] == {"result": [ADA, BOB]}
    read = await caller.call("resources/read", {"uri": "shop://names"})
    assert read["contents"][0]["text"] == '["ada","bob"]'
    params = {
        "ref": {"type": "ref/prompt", "name": "greet"},
        "argument": {"name": "name", "value": ""},
    }
    completed = await caller.call("completion/complete", params)
    assert completed["completion"]["values"] == ["ada", "bob"]


@pytest.mark.parametrize("returns", [PosterModel, PosterDict, dict, None])
@pytest.mark.parametrize(
    ("picture", "written"), [("a b.png", "/media/a%20b.png"), ("", "")]
)
async def test_file_of_a_row_is_its_url(
    returns: Any, picture: str, written: str
) -> None:
    """We chose it: as in Django's REST framework; a storage may have no URLs."""
    server = Server("shop")

    def show() -> Any:
        row = Poster(title="A", picture=picture, plan="plan.pdf")
        if returns in (dict, None):
            return {"title": "A", "picture": row.picture, "plan": row.plan}
        return row

    show.__annotations__["return"] = returns or Any
    server.tool(show)

    [block] = (await Caller(server).call_tool("show"))["content"]
    assert json.loads(block["text"]) == {
        "title": "A",
        "picture": written,
        "plan": "plan.pdf",
    }


@pytest.mark.parametrize(
    ("make", "right"),
    [
        (
            lambda: Permission.objects.get(codename="add_user"),
            {"codename": "add_user", "content_type": {"model": "user"}},
        ),
        (
            lambda: Permission(codename="of_nothing"),
            {"codename": "of_nothing", "content_type": None},
        ),
    ],
)
async def test_relation_to_nothing_is_none(make: Any, right: JSONObject) -> None:
    """We chose it: as a template shows nothing for it."""
    server = Server("shop")

    @server.tool
    def show() -> RightData:
        return make()  # type: ignore[no-any-return]

    result = await Caller(server).call_tool("show")
    assert result["structuredContent"] == {**right, "note": "left out"}


@pytest.mark.parametrize("returns", [list, list[dict[str, Any]], Any, list[int]])
@pytest.mark.parametrize("make", [everybody, lambda: list(everybody())])
async def test_rows_that_nobody_described_are_refused(returns: Any, make: Any) -> None:
    """We chose it: a row of users has their password in it."""
    server = Server("shop")

    def show() -> Any:
        return make()

    show.__annotations__["return"] = returns
    server.tool(show)

    with pytest.raises(TypeError, match="return plain values instead"):
        await Caller(server).call_tool("show")


async def test_resource_writes_rows_of_values() -> None:
    """We chose it: read in a thread as well."""
    server = Server("shop")

    @server.resource("shop://users")
    async def show() -> Any:
        return everybody().values("username")

    read = await Caller(server).call("resources/read", {"uri": "shop://users"})

    assert read["contents"][0]["text"] == '[{"username":"ada"},{"username":"bob"}]'


@pytest.mark.parametrize(
    ("returns", "make", "read"),
    [
        (list[UserDict], everybody, [ADA, BOB]),
        (UserModel, lambda: everybody().first(), ADA),
        (UserData | None, lambda: everybody().get(username="ada"), ADA),
        (list[GroupData], lambda: list(Group.objects.all()), [{"name": "poets"}]),
    ],
    ids=["dicts", "model", "dataclass", "list"],
)
async def test_resource_writes_rows_as_its_annotation_says(
    returns: Any, make: Callable[[], Any], read: JSON
) -> None:
    """We chose it: as a tool does, in a thread as well."""
    server = Server("shop")

    async def show() -> Any:
        return await sync_to_async(make)()

    show.__annotations__["return"] = returns
    server.resource("shop://users")(show)
    for _ in range(2):
        result = await Caller(server).call("resources/read", {"uri": "shop://users"})
        assert json.loads(result["contents"][0]["text"]) == read


async def test_missing_attribute_is_named_and_values_are_not() -> None:
    """We chose it: for the developer's log."""

    server = Server("shop")

    def show() -> Any:
        return everybody()

    show.__annotations__["return"] = list[WrongData]
    server.tool(show)

    with pytest.raises(TypeError, match="shoe_size") as caught:
        await Caller(server).call_tool("show")
    assert "ada" not in str(caught.value)
