"""Identities that are kept: for how long, of whom, and what all workers forget."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from pytest_django import Settings

from mcp_django.auth.authenticators import authenticators
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.exceptions import AuthenticationFailed
from mcp_django.signals import credentials_changed
from mcp_django.tokens.models import Token
from mcp_django.worker.kept_identities import KeptIdentities
from mcp_django.worker.mailbox import GROUP
from mcp_django.worker.relay import Relay
from mcp_django.worker.worker import Worker, current_worker
from tests.worker.layers import AwayLayer, Layer, quiet, until

ADA = [(b"host", b"testserver"), (b"x-key", b"ada")]
BOB = [(b"host", b"testserver"), (b"x-key", b"bob")]


class Keys(Authenticator):
    """Lets its word be kept by a key in a header."""

    credential_header: ClassVar[str | None] = "X-Key"

    def authenticate(self, request: HttpRequest) -> Identity | None:
        raise NotImplementedError

    def is_still_valid(self, identity: Identity) -> bool:
        raise NotImplementedError


class Challenging(Keys):
    """Decides nothing else."""

    challenge = "Bearer"


class Stricter(Keys):
    """Decides by more than the key, and forgot to say so."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        raise NotImplementedError


class StillKeyed(Stricter):
    """Says it again."""

    credential_header = "x-key"


class Attached(Keys):
    """Takes what browsers attach."""

    uses_cookies = True


class Silent(Keys):
    """Says nothing of what its word may be kept by."""

    credential_header = None


class OtherKeys(Keys):
    """Looks at another header."""

    credential_header = "x-other"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

        self.moment = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> float:
        return self.now

    def tell(self) -> datetime:
        """Give the time by which credentials end, which is set by itself."""
        return self.moment


class Asked:
    """Vouches for the users Ada, 1, and Bob, 2, and counts how often it was asked."""

    def __init__(self, pk: int = 1, **more: Any) -> None:
        self.user: Any = User(pk=pk, username="ada")
        self.more = more
        self.times = 0
        self.while_asking: Callable[[], None] = lambda: None

    async def __call__(self) -> Identity:
        self.times += 1
        self.while_asking()
        return Identity(self.user, authenticators()[-1], "key", **self.more)


def use(settings: Settings, *kinds: type[Authenticator], seconds: float = 30) -> None:
    """Have authenticators asked, and identities kept."""
    settings.MCP = {
        "AUTHENTICATION": [f"{__name__}.{kind.__qualname__}" for kind in kinds],
        "CREDENTIAL_CACHE_SECONDS": seconds,
    }


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def kept(settings: Settings, clock: Clock) -> KeptIdentities:
    """Give what a worker keeps that is alone."""
    use(settings, Keys)
    alone = Worker(asyncio.get_running_loop(), Relay(None))
    return KeptIdentities(alone, clock, clock.tell, most=3)


# For how long -----------------------------------------------------------------------


async def test_authenticator_is_asked_once_within_the_time(
    kept: KeptIdentities, clock: Clock
) -> None:
    """Chosen: the time counts from when it was asked."""
    ask = Asked()
    ask.while_asking = lambda: setattr(clock, "now", clock.now + 2)
    for after in (0, 10, 17.9):
        clock.now = 100 + after
        assert (await kept.find(ADA, ask, path="/mcp")).credential == "key"
    assert ask.times == 1
    clock.now = 130
    await kept.find(ADA, ask, path="/mcp")
    assert ask.times == 2


async def test_each_credential_is_asked_about(kept: KeptIdentities) -> None:
    """We promise it: nobody is taken for another one."""
    adas, bobs = Asked(1), Asked(2)
    for _ in range(2):
        assert (await kept.find(ADA, adas, path="/mcp")).owner == "1"
        assert (await kept.find(BOB, bobs, path="/mcp")).owner == "2"
        assert (await kept.find([*BOB, *ADA], adas, path="/mcp")).owner == "1"
    assert (adas.times, bobs.times) == (2, 1)


async def test_credential_is_asked_about_on_each_host(kept: KeptIdentities) -> None:
    """We promise it: a site may have other users there."""
    ask = Asked()
    elsewhere = [(b"x-forwarded-host", b"other"), *ADA]
    for headers in (ADA, ADA[1:], elsewhere, ADA, ADA[1:], elsewhere):
        await kept.find(headers, ask, path="/mcp")
    assert ask.times == 3


async def test_credential_that_ends_is_kept_no_longer(
    kept: KeptIdentities, clock: Clock
) -> None:
    """We promise it: a token that expires is refused from that moment on."""
    soon = Asked(expires_at=clock.moment + timedelta(seconds=10))
    await kept.find(ADA, soon, path="/mcp")
    clock.moment += timedelta(seconds=9.9)
    await kept.find(ADA, soon, path="/mcp")
    assert soon.times == 1
    clock.moment += timedelta(seconds=0.1)
    await kept.find(ADA, soon, path="/mcp")
    assert soon.times == 2

    over = Asked(expires_at=clock.moment)
    await kept.find(BOB, over, path="/mcp")
    await kept.find(BOB, over, path="/mcp")
    assert over.times == 2


async def test_what_other_settings_let_in_is_asked_about(
    kept: KeptIdentities, settings: Settings
) -> None:
    """Chosen: tests change settings, and who is asked with them."""
    ask = Asked()
    await kept.find(ADA, ask, path="/mcp")
    for times, kinds in ((2, [StillKeyed]), (4, []), (5, [Keys])):
        use(settings, *(kinds or [Keys]), seconds=30 if kinds else 0)
        for _ in range(2):
            await kept.find(ADA, ask, path="/mcp")
        assert ask.times == times


async def test_refusals_are_not_kept(kept: KeptIdentities) -> None:
    """Chosen: who gets a token or is activated comes in at once."""
    ask = Asked()

    def refuse() -> None:
        raise AuthenticationFailed("no")

    ask.while_asking = refuse
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            await kept.find(ADA, ask, path="/mcp")
    ask.while_asking = lambda: None
    await kept.find(ADA, ask, path="/mcp")
    assert ask.times == 3


async def test_oldest_makes_way(kept: KeptIdentities, clock: Clock) -> None:
    """We promise it: however many credentials there are, few are in memory."""
    asks = [Asked(number) for number in range(4)]

    async def find(number: int) -> None:
        clock.now += 1
        await kept.find([(b"x-key", b"%d" % number)], asks[number], path="/mcp")

    for number in (0, 1, 2, 3, 3, 2, 1, 0):
        await find(number)
    assert [ask.times for ask in asks] == [2, 1, 1, 1]
    kept.forget("1")  # of which nothing is left
    await find(1)
    clock.now += 30
    for number in (0, 1):
        await find(number)
    assert [ask.times for ask in asks] == [3, 3, 1, 1]


# Whose ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "times"),
    [
        ([Keys], 1),
        ([Challenging], 1),
        ([StillKeyed], 1),
        ([OtherKeys, Keys], 1),
        ([Stricter], 2),
        ([Attached], 2),
        ([Silent], 2),
        ([Silent, Keys], 2),
        ([Keys, Silent], 2),
    ],
)
async def test_authenticator_says_that_its_word_may_be_kept(
    kept: KeptIdentities,
    settings: Settings,
    kinds: list[type[Authenticator]],
    times: int,
) -> None:
    """Chosen: who says nothing is asked each time, and so is who comes after it."""
    use(settings, *kinds)
    ask = Asked()
    for _ in range(2):
        await kept.find(ADA, ask, path="/mcp")
    assert ask.times == times


async def test_request_without_the_header_is_asked_about(kept: KeptIdentities) -> None:
    """We promise it: what is not there is no credential."""
    ask = Asked()
    for _ in range(2):
        await kept.find(ADA[:1], ask, path="/mcp")
    assert ask.times == 2


async def test_user_that_is_no_row_is_not_kept(kept: KeptIdentities) -> None:
    """Chosen: what else that may be cannot be told."""
    ask = Asked()
    ask.user = AnonymousUser()
    for _ in range(2):
        await kept.find(ADA, ask, path="/mcp")
    assert ask.times == 2


async def test_each_request_has_a_user_of_its_own(kept: KeptIdentities) -> None:
    """We promise it: what a handler does to it, and the permissions that Django keeps
    there, are not met by the next request."""
    ask = Asked()
    for _ in range(3):
        user: Any = (await kept.find(ADA, ask, path="/mcp")).user
        assert (user.username, user._state.adding) == ("ada", True)
        assert not hasattr(user, "_perm_cache")
        user.username, user._perm_cache, user._state.adding = "eve", {"all"}, False
    assert ask.times == 1


async def test_what_is_in_the_user_is_its_own_too(kept: KeptIdentities) -> None:
    """We promise it: also JSON of the row, and what looks back at the row."""
    ask = Asked()
    ask.user.settings = {"theme": []}
    ask.user.itself = [ask.user]
    ask.user.may_write = False
    for _ in range(3):
        user: Any = (await kept.find(ADA, ask, path="/mcp")).user
        assert user.settings == {"theme": []}
        assert user.itself[0] is user
        assert user.may_write is False
        user.settings["theme"].append("dark")
    assert ask.times == 1


async def test_permissions_that_the_authenticator_asked_for_are_not_kept(
    kept: KeptIdentities,
) -> None:
    """We promise it: Django keeps them with the user, and groups fetched with it."""
    ask = Asked()
    for name in ("_perm_cache", "_group_perm_cache", "_prefetched_objects_cache"):
        setattr(ask.user, name, {"shop.view_order"})
    await kept.find(ADA, ask, path="/mcp")
    before, ask.user = set(vars(ask.user)), None
    user = (await kept.find(ADA, ask, path="/mcp")).user
    assert set(vars(user)) == {name for name in before if "cache" not in name}


async def test_user_that_cannot_be_copied_is_not_kept(kept: KeptIdentities) -> None:
    """Chosen: handlers would share what is there."""
    ask = Asked()
    ask.user.lock = threading.Lock()
    for _ in range(2):
        assert (await kept.find(ADA, ask, path="/mcp")).owner == "1"
    assert ask.times == 2


# What is forgotten ------------------------------------------------------------------


@pytest.mark.parametrize(("owner", "times"), [("1", 2), (None, 2), ("2", 1), ("", 1)])
async def test_what_changes_while_it_is_asked_about_is_not_kept(
    kept: KeptIdentities, owner: str | None, times: int
) -> None:
    """We promise it: the answer may be of before the change."""
    ask = Asked()
    ask.while_asking = lambda: kept.forget(owner)
    await kept.find(ADA, ask, path="/mcp")
    ask.while_asking = lambda: None
    await kept.find(ADA, ask, path="/mcp")
    assert ask.times == times


class Cluster:
    """Two workers that keep Ada's and Bob's identities; the loop's own is the first.

    Attributes:
        layer: What joins them.
        workers: The workers.
        asks: For each worker, what vouches for Ada, and for Bob.
    """

    def __init__(self) -> None:
        self.layer: Any = get_channel_layer()
        loop = asyncio.get_running_loop()
        self.workers = current_worker(), Worker(loop, Relay(self.layer))
        self.asks = [(Asked(1), Asked(2)) for _ in self.workers]

    async def call(self) -> tuple[int, int]:
        """Let Ada and Bob come to each worker; say how often each was asked about."""
        for worker, (adas, bobs) in zip(self.workers, self.asks, strict=True):
            await worker.part(KeptIdentities).find(ADA, adas, path="/mcp")
            await worker.part(KeptIdentities).find(BOB, bobs, path="/mcp")
        [counts, others] = [(ada.times, bob.times) for ada, bob in self.asks]
        assert counts == others
        return counts

    async def wait_until_told(self, function: Callable[[], object]) -> tuple[int, int]:
        """Run a function in a thread; say how often each is asked about after that."""
        await sync_to_async(function, thread_sensitive=False)()
        told = f"{function}"
        self.workers[0].relay.tell_soon({"kind": "told", "what": told})
        heard: list[Any] = []
        self.workers[1].relay.on_told("told", heard.append)
        await until(lambda: {"kind": "told", "what": told} in heard)
        return await self.call()


@pytest.fixture
async def cluster(settings: Settings) -> AsyncIterator[Cluster]:
    use(settings, Keys)
    cluster = Cluster()
    for worker in cluster.workers:
        await worker.relay.open()
    assert await cluster.call() == (1, 1)
    yield cluster
    for worker in cluster.workers:
        await worker.relay.close()
        await worker.tasks.end()


async def test_all_workers_forget_what_is_told_to_have_changed(
    cluster: Cluster,
) -> None:
    """We promise it: of that user alone, or of all."""

    def tell_of_ada() -> None:
        credentials_changed.send(Keys, user_id=1)

    def tell_of_all() -> None:
        credentials_changed.send(Keys)

    assert await cluster.wait_until_told(tell_of_ada) == (2, 1)
    assert await cluster.wait_until_told(tell_of_all) == (3, 2)


async def test_worker_that_missed_something_forgets_everything(
    cluster: Cluster,
) -> None:
    """We promise it: it may have been that."""
    for number in (1, 300):
        told = {"type": "mcp.told", "from": "x", "by": "x", "number": number}
        await cluster.layer.group_send(GROUP, {**told, "told": []})
    heard: list[Any] = []
    for worker in cluster.workers:
        worker.relay.on_told("last", heard.append)
    last = {"type": "mcp.told", "from": "x", "by": "x", "number": 301}
    await cluster.layer.group_send(GROUP, {**last, "told": [{"kind": "last"}]})
    await until(lambda: len(heard) == 2)
    assert await cluster.call() == (2, 2)


async def test_nothing_is_kept_before_others_are_heard(
    settings: Settings, clock: Clock
) -> None:
    """We promise it: else what they tell would be missed."""
    use(settings, Keys)
    layer = Layer()
    worker = Worker(asyncio.get_running_loop(), Relay(layer))
    kept, ask = KeptIdentities(worker, clock), Asked()
    await kept.find(ADA, ask, path="/mcp")
    await until(lambda: worker.relay.mailbox != "")
    for _ in range(2):
        await kept.find(ADA, ask, path="/mcp")
    assert ask.times == 2
    await worker.relay.close()

    away = KeptIdentities(Worker(asyncio.get_running_loop(), Relay(AwayLayer())), clock)
    for _ in range(2):
        await away.find(ADA, ask, path="/mcp")
    assert ask.times == 4
    await quiet(layer)


async def test_what_is_asked_about_while_the_mailbox_opens_is_not_kept(
    settings: Settings, clock: Clock
) -> None:
    """We promise it: what was told between the answer and the opening is missed."""
    use(settings, Keys)
    worker = Worker(asyncio.get_running_loop(), Relay(Layer()))
    kept, ask = KeptIdentities(worker, clock), Asked()

    async def ask_meanwhile() -> Identity:
        identity = await ask()
        await worker.relay.open()
        return identity

    await kept.find(ADA, ask_meanwhile, path="/mcp")
    await kept.find(ADA, ask, path="/mcp")
    await kept.find(ADA, ask, path="/mcp")
    assert ask.times == 2
    await worker.relay.close()


# What Django tells of users ---------------------------------------------------------


class Told:
    """Whose credentials are told to have changed."""

    def __init__(self) -> None:
        self.users: list[object] = []

    def hear(self, user_id: object = None, **kwargs: object) -> None:
        self.users.append(user_id)


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    credentials_changed.connect(told.hear)
    yield told
    credentials_changed.disconnect(told.hear)


def test_saving_and_deleting_a_user_is_told(ada: User, told: Told) -> None:
    """We promise it: a deactivated one is out at once, and so is a new password."""
    pk = ada.pk
    ada.is_active = False
    ada.save()
    ada.set_password("new")
    ada.save(update_fields=["password"])
    assert told.users == [pk, pk]
    ada.delete()
    assert told.users == [pk, pk, pk]


def test_change_through_a_proxy_is_told(
    ada: User, told: Told, settings: Settings
) -> None:
    """We promise it: it is the same row."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.worker.proxies"]
    from tests.worker.proxies.models import Colleague, Key

    Token.issue(ada, "Laptop")
    Key.objects.get().save()
    Key.objects.all().delete()
    Colleague.objects.get().save()
    Colleague.objects.all().delete()
    assert told.users == [ada.pk] * 4


def test_logging_in_and_making_a_user_is_not_told(ada: User, told: Told) -> None:
    """Chosen: it changes nothing, and the first is done often."""
    ada.last_login = timezone.now()
    ada.save(update_fields=["last_login"])
    User.objects.create_user("bob")
    assert told.users == []


@pytest.mark.django_db(transaction=True)
async def test_change_counts_once_it_is_committed(cluster: Cluster) -> None:
    """We promise it: what is asked about before is what was."""

    def roll_back() -> None:
        with transaction.atomic():
            credentials_changed.send(Keys, user_id=1)
            transaction.set_rollback(True)

    def commit() -> None:
        with transaction.atomic():
            credentials_changed.send(Keys, user_id=1)

    assert await cluster.wait_until_told(roll_back) == (1, 1)
    assert await cluster.wait_until_told(commit) == (2, 1)
