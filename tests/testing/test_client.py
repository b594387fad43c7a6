"""The client in memory, in the test cases of Django and in tests of pytest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

import anyio
import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db import connection
from django.test import (
    SimpleTestCase,
    TestCase,
    TransactionTestCase,
    override_settings,
)
from django.utils.functional import SimpleLazyObject
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitResult,
    Implementation,
    LoggingMessageNotificationParams,
    PromptReference,
    ResourceUpdatedNotification,
    TextContent,
)
from pytest_django import DjangoAssertNumQueries

from mcp_django import (
    ErrorAnswer,
    ErrorReceived,
    LocalProtocolError,
    RequestTimeout,
    Server,
    ToolError,
)
from mcp_django.testing import AsyncMCPClient, MCPClient
from tests import patience
from tests.interaction.client import text_of
from tests.site import mcp as site_mcp
from tests.testing import library

ERAS = ["2025-11-25", "2026-07-28"]
BOUND = patience.PATIENCE_SECONDS


def accept(**content: Any) -> ElicitResult:
    """Make the answer of a user who fills in a form."""
    return ElicitResult(action="accept", content=content)


def value_of(client: MCPClient, name: str, /, **arguments: Any) -> Any:
    """Call a tool and give its value, as every version has it."""
    result = client.call_tool(name, arguments)
    match result.structured_content:
        case {"result": value}:
            return value
        case None:
            return text_of(result)
        case content:
            return content


@pytest.fixture(autouse=True)
def no_shelf_committed() -> Iterator[None]:
    """Forget what earlier tests committed."""
    library.committed.clear()
    yield


class LibraryTests(TestCase):
    """In the transaction of a `TestCase`."""

    ada: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = User.objects.create_user("ada")
        Group.objects.create(name="Maps")

    def setUp(self) -> None:
        self.client_of_ada = MCPClient(library.server)
        self.client_of_ada.force_login(self.ada)

    def permit(self, codename: str) -> None:
        """Give Ada a permission."""
        self.ada.user_permissions.add(Permission.objects.get(codename=codename))

    def test_def_handler_runs_on_the_thread_of_the_test(self) -> None:
        """Chosen: as if the test called it itself."""
        value = value_of(self.client_of_ada, "thread_of_def")

        self.assertEqual(value, threading.get_ident())

    def test_handlers_see_the_transaction_of_the_test(self) -> None:
        """Chosen: in both kinds of handler, in both eras."""
        Group.objects.create(name="Poems")
        for version in ERAS:
            client = MCPClient(library.server, version=version)
            with self.subTest(version):
                self.assertEqual(value_of(client, "shelves"), ["Maps", "Poems"])
                self.assertEqual(value_of(client, "count_shelves"), 2)

    def test_test_sees_what_handlers_write(self) -> None:
        """Chosen."""
        self.permit("add_group")

        pk = value_of(self.client_of_ada, "add_shelf", name="Poems")

        self.assertEqual(Group.objects.get(name="Poems").pk, pk)

    def test_queries_of_handlers_are_counted(self) -> None:
        """Chosen: the client itself makes none."""
        for tool in ("shelves", "count_shelves"):
            with self.assertNumQueries(1):
                self.client_of_ada.call_tool(tool)
        with self.assertNumQueries(0):
            self.client_of_ada.ping()

    def test_commit_callbacks_are_captured(self) -> None:
        """Chosen: and run, if they shall."""
        self.permit("add_group")

        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            value_of(self.client_of_ada, "add_shelf", name="Poems")
            self.assertEqual(library.committed, [])

        self.assertEqual(len(callbacks), 2)  # the other is the change notice
        self.assertEqual(library.committed, ["Poems"])

    def test_transaction_of_a_handler_is_rolled_back_alone(self) -> None:
        """Chosen: `atomic=True` makes a savepoint here."""
        with self.assertRaisesMessage(ToolError, "The wood is rotten."):
            self.client_of_ada.call_tool("add_in_vain", {"name": "Poems"})

        self.assertEqual([group.name for group in Group.objects.all()], ["Maps"])

    def test_settings_and_mocks_of_the_test_hold(self) -> None:
        """Chosen."""
        with override_settings(MOTTO="Quiet, please"):
            motto = value_of(self.client_of_ada, "read_setting", name="MOTTO")
        with mock.patch.object(library, "shelves", return_value=["Ghosts"]):
            read = self.client_of_ada.read_resource("library://shelves")

        self.assertEqual(motto, "Quiet, please")
        self.assertEqual(read.contents[0].model_dump()["text"], "Ghosts")

    def test_def_handler_reads_resources_of_both_kinds(self) -> None:
        """Chosen: the thread that waits for the event loop works for it meanwhile."""
        self.permit("view_group")

        self.assertEqual(value_of(self.client_of_ada, "describe"), "Maps 1")

    def test_permissions_are_those_of_now(self) -> None:
        """Chosen: as in requests, whatever was looked up for the same user before."""
        self.assertNotIn("add_shelf", self.tools())
        self.permit("add_group")
        self.assertIn("add_shelf", self.tools())
        self.client_of_ada.logout()
        self.assertNotIn("add_shelf", self.tools())

    def tools(self) -> list[str]:
        """Name the tools that are seen."""
        return [tool.name for tool in self.client_of_ada.list_tools()]

    def test_fields_of_the_user_are_those_of_its_object(self) -> None:
        """Chosen: no query reads it again."""
        self.ada.username = "lovelace"
        with self.assertNumQueries(0):
            user = value_of(self.client_of_ada, "who")["user"]

        self.assertEqual(user, "lovelace")

    def test_user_without_all_its_fields_can_ask(self) -> None:
        """Chosen: what was left out is read when it is wanted."""
        self.client_of_ada.force_login(User.objects.only("pk").get(pk=self.ada.pk))

        self.assertEqual(value_of(self.client_of_ada, "who")["user"], "ada")

    def test_functions_of_the_client_run_on_the_thread_of_the_test(self) -> None:
        """Chosen: so that they may look at the database."""
        threads: list[int] = []

        def choose(params: object) -> ElicitResult:
            threads.append(threading.get_ident())
            return accept(name=f"After {Group.objects.get().name}")

        for version in ERAS:
            client = MCPClient(library.server, version=version, on_elicit=choose)
            with self.subTest(version):
                added = value_of(client, "add_as_the_user_likes")
                self.assertEqual(added, "After Maps")
                Group.objects.get(name="After Maps").delete()

        self.assertEqual(set(threads), {threading.get_ident()})

    async def test_async_client_is_in_the_transaction_too(self) -> None:
        """Chosen: Django runs async tests of a `TestCase` so that this works."""
        client = AsyncMCPClient(library.server)
        await Group.objects.acreate(name="Poems")

        listed = await client.call_tool("shelves")
        counted = await client.call_tool("count_shelves")

        self.assertEqual(listed.structured_content, ["Maps", "Poems"])
        self.assertEqual(counted.structured_content, 2)

    async def test_async_client_keeps_a_connection(self) -> None:
        """Chosen: with all that `Client` can do."""
        client = AsyncMCPClient(library.server)
        client.force_login(self.ada)
        async with client.connect() as connected:
            await connected.list_tools()
            await sync_to_async(self.permit)("add_group")
            tools = await connected.list_tools(fresh=True)

        self.assertIn("add_shelf", [tool.name for tool in tools])

    def test_user_may_act_by_a_credential_that_allows_less(self) -> None:
        """Chosen: until the next login, which allows everything again."""
        for version in ERAS:
            client = MCPClient(library.server, version=version)
            client.force_login(self.ada, scopes={"mcp:read"})
            with (
                self.subTest(version),
                self.assertRaisesMessage(ErrorReceived, "needs the scope mcp:write"),
            ):
                client.call_tool("shelves")
            client.force_login(self.ada, scopes=["mcp:write", "mcp:read"])
            self.assertEqual(value_of(client, "shelves"), ["Maps"])
            client.force_login(self.ada)
            self.assertEqual(value_of(client, "shelves"), ["Maps"])

    def test_logout_forgets_what_the_credential_allowed(self) -> None:
        """Chosen."""
        client = MCPClient(library.server)
        client.force_login(self.ada, scopes=())
        client.logout()

        self.assertEqual(value_of(client, "shelves"), ["Maps"])

    def test_credential_cannot_allow_what_the_server_does_not_have(self) -> None:
        """Chosen: a test with a misspelt scope would prove nothing."""
        client = MCPClient(library.server)
        with self.assertRaisesMessage(
            ValueError, "force_login() names the scope 'mcp:"
        ):
            client.force_login(self.ada, scopes={"mcp:raed"})

    def test_lazy_user_is_as_good_as_any(self) -> None:
        """Chosen: fixtures and `request.user` may be so."""
        user: Any = SimpleLazyObject(lambda: self.ada)
        client = MCPClient()
        client.force_login(user)

        self.assertEqual(text_of(client.call_tool("name_user")), "ada")

    async def test_client_for_sync_tests_is_refused_in_async_ones(self) -> None:
        """Chosen: the error names the remedy."""
        with self.assertRaisesMessage(LocalProtocolError, "use AsyncMCPClient there"):
            self.client_of_ada.call_tool("shelves")


class CommittedTests(TransactionTestCase):
    """Without a transaction around the test."""

    def test_handlers_commit(self) -> None:
        """Chosen: and then callbacks run by themselves."""
        client = MCPClient(library.server)
        client.force_login(User.objects.create_superuser("ada"))

        client.call_tool("add_shelf", {"name": "Poems"})

        self.assertEqual(library.committed, ["Poems"])
        self.assertEqual(Group.objects.get().name, "Poems")

    async def test_connection_hears_of_changes(self) -> None:
        """Spec: 2026-07-28 basic/patterns/subscriptions; 2025-11-25 server/resources,
        "Subscriptions"."""
        uri = "library://shelves"
        for version in ERAS:
            client = AsyncMCPClient(library.server, version=version)
            client.force_login(
                await User.objects.acreate(username=version, is_superuser=True)
            )
            with self.subTest(version):
                async with client.connect() as one, one.listen(uri) as changes:
                    await one.call_tool("add_shelf", {"name": version})
                    with anyio.fail_after(BOUND):
                        change = await anext(changes)
                assert isinstance(change, ResourceUpdatedNotification)
                self.assertEqual(change.params.uri, uri)


class NoDatabaseTests(SimpleTestCase):
    """Without a database."""

    def test_server_is_used(self) -> None:
        """Chosen."""
        client = MCPClient()
        client.force_login(User(pk=1, username="ada", is_superuser=True))

        self.assertEqual(client.call_tool("add", {"a": 2}).structured_content, 3)
        self.assertEqual(text_of(client.call_tool("name_user")), "ada")

    def test_use_of_the_database_is_seen_as_forbidden(self) -> None:
        """Chosen: Django's own error reaches the test."""
        with self.assertRaisesMessage(AssertionError, "are not allowed in SimpleTest"):
            MCPClient(library.server).call_tool("shelves")


@pytest.mark.django_db
def test_fixture_of_pytest_django_has_the_transaction(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Chosen: as a `TestCase`."""
    Group.objects.create(name="Maps")

    with django_assert_num_queries(1):
        names = value_of(MCPClient(library.server), "shelves")

    assert (names, connection.in_atomic_block) == (["Maps"], True)


def test_fixture_of_settings_holds(settings: LazySettings) -> None:
    """Chosen."""
    settings.MOTTO = "Quiet, please"

    assert value_of(MCPClient(library.server), "read_setting", name="MOTTO") == (
        "Quiet, please"
    )


@pytest.mark.django_db(transaction=True)
async def test_async_test_of_pytest_has_one_thread_for_the_database() -> None:
    """Chosen: that of Django's async ORM, which `def` handlers then share."""
    client = AsyncMCPClient(library.server)
    await Group.objects.acreate(name="Maps")

    listed = await client.call_tool("shelves")
    thread = await client.call_tool("thread_of_def")

    assert listed.structured_content == ["Maps"]
    assert thread.structured_content == await sync_to_async(threading.get_ident)()


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_def_handler_reads_resources_where_no_thread_waits() -> None:
    """Chosen: neither deadlock, nor is it refused for fear of one."""
    result = await AsyncMCPClient(library.server).call_tool("quote")

    assert text_of(result) == "Quiet, please"


# What can be asked --------------------------------------------------------------------


def client_of_nobody(version: str, **options: Any) -> MCPClient:
    """Make a client that needs no database."""
    return MCPClient(library.server, version=version, **options)


@pytest.mark.parametrize("version", ERAS)
def test_all_methods_of_client_are_there(version: str) -> None:
    """Chosen: for a server that needs no database."""
    client = MCPClient(site_mcp.server, version=version)
    greet = PromptReference(name="greet")

    assert client.list_tools()[0].name == "add"
    assert [r.uri for r in client.list_resources()] == ["site://about"]
    assert client.list_resource_templates() == []
    assert [prompt.name for prompt in client.list_prompts()] == ["greet"]
    assert client.complete(greet, "tone", "w").values == ["warm"]
    assert client.request("tools/call", {"name": "add", "arguments": {"a": 1}})
    client.ping()
    [content] = client.read_resource("site://about").contents
    assert getattr(content, "text", None) == "A test site."
    [message] = client.get_prompt("greet", {"name": "Ada"}).messages
    assert message.content == TextContent(text="Greet Ada in a warm tone.")


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.parametrize("version", ERAS)
async def test_all_methods_of_client_are_there_without_waiting(version: str) -> None:
    """Chosen: under trio as well, whose `def` handlers have a pool."""
    client = AsyncMCPClient(site_mcp.server, version=version)
    greet = PromptReference(name="greet")

    assert (await client.list_tools())[0].name == "add"
    assert [r.uri for r in await client.list_resources()] == ["site://about"]
    assert await client.list_resource_templates() == []
    assert [prompt.name for prompt in await client.list_prompts()] == ["greet"]
    assert (await client.complete(greet, "tone", "w")).values == ["warm"]
    assert await client.request("tools/call", {"name": "add", "arguments": {"a": 1}})
    await client.ping()
    [content] = (await client.read_resource("site://about")).contents
    assert getattr(content, "text", None) == "A test site."
    [message] = (await client.get_prompt("greet", {"name": "Ada"})).messages
    assert message.content == TextContent(text="Greet Ada in a warm tone.")


@pytest.mark.parametrize("version", ERAS)
def test_handler_finds_what_the_client_says_of_itself(version: str) -> None:
    """Chosen: credentials are none of it, for `force_login` says who asks."""
    client = client_of_nobody(
        version,
        client_info=Implementation(name="reader", version="1"),
        headers={"Accept-Language": "en"},
    )

    for user, name in [(None, ""), (AnonymousUser(), ""), (User(username="a"), "a")]:
        if user is not None:
            client.force_login(user)
        assert value_of(client, "who") == {
            "user": name,
            "client": "reader",
            "language": "en",
            "version": version,
        }


@pytest.mark.parametrize("version", ERAS)
def test_everything_that_was_told_is_heard_before_the_call_returns(
    version: str,
) -> None:
    """Chosen: no test has to wait for it."""
    progress: list[float] = []
    logged: list[Any] = []

    def note(message: LoggingMessageNotificationParams) -> None:
        logged.append(message.data)

    client = client_of_nobody(version, on_log=note, log_level="info")
    client.call_tool("report", on_progress=lambda done, *_: progress.append(done))

    assert (progress, logged) == ([1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize("version", ERAS)
async def test_notifications_are_heard_before_the_connection_ends(version: str) -> None:
    """Chosen: without the log messages, which have a function of their own."""
    uri = "library://motto/def"
    heard: list[str] = []
    client = AsyncMCPClient(
        library.server,
        version=version,
        log_level="info",
        on_notification=lambda method, params: heard.append(method),
    )

    async with client.connect() as connected, connected.listen(uri) as changes:
        await connected.call_tool("report")
        library.server.resource_updated(uri)
        with anyio.fail_after(BOUND):
            await anext(changes)

    acknowledged = "notifications/subscriptions/acknowledged"  # in the modern era
    assert [method for method in heard if method != acknowledged] == [
        "notifications/resources/updated"
    ]


@pytest.mark.parametrize("version", ERAS)
def test_model_and_roots_can_be_asked_for(version: str) -> None:
    """Spec: 2025-11-25 client/sampling; client/roots."""

    async def sample(params: CreateMessageRequestParams) -> CreateMessageResult:
        text = TextContent(text="Hello")
        return CreateMessageResult(role="assistant", content=text, model="parrot")

    client = client_of_nobody(version, on_sample=sample, roots=["file:///srv"])

    assert value_of(client, "ask_everything") == ["parrot", "file:///srv"]


@pytest.mark.parametrize("version", ERAS)
def test_user_can_decline(version: str) -> None:
    """Spec: 2025-11-25 client/elicitation, "Response Actions"."""
    client = client_of_nobody(
        version, on_elicit=lambda params: ElicitResult(action="decline")
    )

    with pytest.raises(ToolError, match="The user wants no shelf"):
        client.call_tool("add_as_the_user_likes")


# What goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("version", ERAS)
def test_exception_that_nobody_expected_is_raised_as_it_was(version: str) -> None:
    """Chosen: as Django's own test client does; with its causes and its traceback."""
    with pytest.raises(ArithmeticError, match="nobody expects it") as caught:
        client_of_nobody(version).call_tool("fail")

    assert isinstance(caught.value.__cause__, ValueError)
    assert isinstance(caught.value.__context__, KeyError)
    assert caught.traceback[-1].name == "fail"


@pytest.mark.parametrize("version", ERAS)
def test_exception_is_raised_whatever_the_client_made_of_it(version: str) -> None:
    """Chosen: also for results that were not looked at."""
    client = client_of_nobody(version)

    with pytest.raises(LookupError, match="nobody expects it"):
        client.call_tool("fail_later", check=False)
    with pytest.raises(LookupError, match="nobody expects it"):
        client.read_resource("library://broken")


@pytest.mark.parametrize("version", ERAS)
def test_exception_can_be_seen_as_clients_see_it(version: str) -> None:
    """Chosen: by the argument that Django's own test client has."""
    client = client_of_nobody(version, raise_request_exception=False)

    with pytest.raises(ToolError, match=r"^Internal error$"):
        client.call_tool("fail_later")
    with pytest.raises(ErrorReceived, match="Internal error"):
        client.read_resource("library://broken")


def test_end_of_the_program_is_not_the_end_of_the_tests() -> None:
    """Chosen: it is a failure of one test."""
    with pytest.raises(RuntimeError, match="SystemExit was raised"):
        MCPClient(library.server).call_tool("end_the_program")


@pytest.mark.parametrize("version", ERAS)
def test_answers_on_purpose_are_no_exceptions_of_the_handler(version: str) -> None:
    """Chosen: they are what the client is told."""
    client = client_of_nobody(version)

    with pytest.raises(ErrorReceived, match=r"closed on Mondays \(-32602\)"):
        client.call_tool("refuse")
    with pytest.raises(ErrorReceived):
        client.call_tool("unknown")
    with pytest.raises(ToolError, match="invalid arguments"):
        client.call_tool("read_setting", {"name": []})


@pytest.mark.parametrize("version", ERAS)
def test_failed_assertion_of_the_user_fails_the_test(version: str) -> None:
    """Chosen: a client would tell the server of it, and nobody else."""

    def expect_another_question(params: Any) -> ElicitResult:
        assert params.message == "Which colour?"
        return accept(name="Maps")

    client = client_of_nobody(version, on_elicit=expect_another_question)

    with pytest.raises(AssertionError, match="Which colour"):
        client.call_tool("add_as_the_user_likes")


def test_refusal_of_the_user_is_no_failure_of_the_test() -> None:
    """Chosen: a function may answer with an error on purpose."""

    def refuse(params: object) -> ElicitResult:
        raise ErrorAnswer(-32602, "ask somebody else")

    client = client_of_nobody("2025-11-25", on_elicit=refuse)

    with pytest.raises(ToolError, match="ask somebody else"):
        client.call_tool("add_as_the_user_likes")


@pytest.mark.parametrize("version", ERAS)
def test_failure_to_hear_fails_the_test(version: str) -> None:
    """Chosen: a client would only log it."""

    def hear(message: object) -> None:
        raise LookupError("deaf")

    client = client_of_nobody(version, on_log=hear, log_level="info")

    with pytest.raises(LookupError, match="deaf"):
        client.call_tool("report")


async def test_exceptions_are_raised_where_they_belong() -> None:
    """Chosen: of several connections that are open, each has its own."""
    client = AsyncMCPClient(library.server)
    raised: list[type[BaseException]] = []

    async def call(name: str) -> None:
        try:
            await client.call_tool(name)
        except Exception as error:
            raised.append(type(error))

    async with anyio.create_task_group() as tasks:
        for name in ("fail", "fail_later", "thread_of_def", "refuse"):
            tasks.start_soon(call, name)

    assert sorted(error.__name__ for error in raised) == [
        "ArithmeticError",
        "ErrorReceived",
        "LookupError",
    ]


@pytest.mark.parametrize("version", ERAS)
async def test_exception_is_raised_at_the_end_of_a_lasting_connection(
    version: str,
) -> None:
    """Chosen: in place of the error that it led to."""
    client = AsyncMCPClient(library.server, version=version)

    with pytest.raises(LookupError, match="nobody expects it"):
        async with client.connect() as connected:
            await connected.call_tool("fail_later")
    with pytest.raises(LookupError, match="nobody expects it"):
        async with client.connect() as connected:
            await connected.call_tool("fail_later", check=False)


async def test_failed_assertion_in_a_lasting_connection_comes_first() -> None:
    """Chosen: it says what the test was about."""
    client = AsyncMCPClient(library.server)

    with pytest.raises(AssertionError, match="never"):
        async with client.connect() as connected:
            result = await connected.call_tool("fail_later", check=False)
            assert not result.is_error, "never"


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_connection_ends_with_whoever_opened_it() -> None:
    """Chosen: a handler that runs is cancelled, and nothing is left."""
    door = site_mcp.doors["test"] = site_mcp.Door()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                AsyncMCPClient(site_mcp.server).call_tool, "hold", {"door": "test"}
            )
            with anyio.fail_after(BOUND):
                await door.arrivals.receive()
            tasks.cancel_scope.cancel()
    finally:
        door.open()
        del site_mcp.doors["test"]


async def test_call_that_takes_too_long_is_given_up() -> None:
    """Chosen: `timeout` is the same as everywhere."""
    door = site_mcp.doors["test"] = site_mcp.Door()
    try:
        with pytest.raises(RequestTimeout):
            await AsyncMCPClient(site_mcp.server, timeout=0.05).call_tool(
                "hold", {"door": "test"}
            )
    finally:
        door.open()
        del site_mcp.doors["test"]


# Which server, which options ----------------------------------------------------------


def test_only_server_of_the_project_needs_no_name() -> None:
    """Chosen."""
    assert MCPClient().server is site_mcp.server
    assert AsyncMCPClient().server is site_mcp.server


def test_no_server_and_several_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen: the error says what to do."""
    monkeypatch.setattr(site_mcp, "other", Server("other"), raising=False)
    with pytest.raises(ValueError, match=r"\['other', 'site'\]; pass one of them"):
        MCPClient()
    monkeypatch.delattr(site_mcp, "other")
    monkeypatch.delattr(site_mcp, "server")
    with pytest.raises(ValueError, match=r"make one in an installed app's mcp\.py"):
        MCPClient()


def test_unknown_options_are_refused_at_once() -> None:
    """Chosen: those of other transports name the way to log in."""
    with pytest.raises(TypeError, match=r"no option 'token'.* force_login"):
        MCPClient(token="mcp_abc")  # type: ignore[call-arg]


def test_version_that_is_none_is_refused() -> None:
    """Chosen: as by `Client`, without anything left behind."""
    with pytest.raises(ValueError, match="1999-01-01"):
        MCPClient(version="1999-01-01").ping()


def test_each_client_sees_its_own_lines_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: what a server logs sparingly, each test can expect."""
    server = Server("shop")

    @server.tool
    def fail() -> None:
        raise LookupError("secret")

    for _ in range(2):
        caplog.clear()
        client = MCPClient(server, raise_request_exception=False)
        with pytest.raises(ToolError):
            client.call_tool("fail")
        assert [r.levelname for r in caplog.records if r.exc_info] == ["ERROR"]
