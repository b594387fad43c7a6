"""The admin page of tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mcp_django.tokens.models import Token

pytestmark = pytest.mark.django_db

LIST = "/admin/mcp_tokens/token/"
ADD = "/admin/mcp_tokens/token/add/"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def change_url(token: Token) -> str:
    return reverse("admin:mcp_tokens_token_change", args=[token.pk])


def add_data(
    user: User, name: str = "Laptop", date: str = "", scopes: Any = "every scope"
) -> dict[str, Any]:
    """What the browser sends for the add form."""
    return {
        "user": str(user.pk),
        "name": name,
        "expires_at_0": date,
        "expires_at_1": "00:00:00" if date else "",
        "scopes": scopes,
    }


def staff_client(*codenames: str) -> Client:
    """The browser of somebody with some permissions on tokens."""
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def texts_in(page: str) -> list[str]:
    return re.findall(r"mcp_[A-Za-z0-9_-]{43}", page)


def test_added_token_is_shown_once(admin_client: Client, ada: User) -> None:
    """Chosen: afterwards only its digest is known."""
    response = admin_client.post(ADD, add_data(ada), follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    [text] = texts_in(response.text)
    token = Token.objects.get()
    assert Token.objects.with_text(text).get() == token
    assert (token.user, token.name, token.expires_at) == (ada, "Laptop", None)
    for url in (LIST, change_url(token), f"{change_url(token)}history/"):
        page = admin_client.get(url).text
        assert texts_in(page) == []
        assert token.digest not in page
    entry = LogEntry.objects.get()
    assert texts_in(entry.object_repr + entry.change_message) == []


def test_token_is_shown_before_the_next_is_added(
    admin_client: Client, ada: User
) -> None:
    """Chosen: "Save and add another" loses no token."""
    data = add_data(ada) | {"_addanother": "1"}
    response = admin_client.post(ADD, data, follow=True)
    assert response.redirect_chain == [(ADD, 302)]
    assert len(texts_in(response.text)) == 1


def test_address_may_say_whose_a_new_token_is(admin_client: Client, ada: User) -> None:
    """Chosen: as in other forms of the admin, but what is no user is left out."""
    chosen = f'<option value="{ada.pk}" selected>'
    assert chosen in admin_client.get(ADD, {"user": str(ada.pk)}).text
    for given in ("\0", "ada", "0", str(10**30)):
        response = admin_client.get(ADD, {"user": given})
        assert (response.status_code, chosen in response.text) == (200, False)


def test_token_may_get_an_end(admin_client: Client, ada: User) -> None:
    """Chosen: the form takes what `Token.issue` takes."""
    admin_client.post(ADD, add_data(ada, date="2999-12-31"))
    expires_at = Token.objects.get().expires_at
    assert expires_at is not None
    assert expires_at.year == 2999


def test_token_allows_what_is_ticked(admin_client: Client, ada: User) -> None:
    """Chosen: in words where it is chosen and where it is looked at, by name in lists;
    and not changed afterwards."""
    page = admin_client.get(ADD).text
    for text in (
        "Everything that the user may do",
        "See everything that you can see",
        "mcp:",
    ):
        assert text in page
    admin_client.post(ADD, add_data(ada, scopes=["mcp:read"]))
    token = Token.objects.get()
    assert token.scopes == frozenset({"mcp:read"})
    page = admin_client.get(change_url(token)).text
    assert "See everything that you can see <code>mcp:read</code>" in page
    assert 'name="scopes"' not in page
    assert ">mcp:read</td>" in admin_client.get(LIST).text
    admin_client.post(change_url(token), add_data(ada, "Desktop"))
    token.refresh_from_db()
    assert (token.name, token.scopes) == ("Desktop", frozenset({"mcp:read"}))


def test_token_that_allows_everything_says_so(admin_client: Client, ada: User) -> None:
    """Chosen: as one that allows nothing does."""
    admin_client.post(ADD, add_data(ada))
    token = Token.objects.get()
    assert token.scopes is None
    assert ">everything</td>" in admin_client.get(LIST).text
    Token.objects.update(scope="")
    assert ">nothing</div>" in admin_client.get(change_url(token)).text


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        ([], "Say what the token shall allow."),
        (["every scope", "mcp:read"], "It is either everything, or some of it."),
        (["mcp:raed"], "mcp:raed is not one of the available choices."),
    ],
)
def test_token_that_does_not_say_what_it_allows_is_not_added(
    scopes: list[str], said: str, admin_client: Client, ada: User
) -> None:
    """Chosen: nothing is allowed by accident."""
    assert said in admin_client.post(ADD, add_data(ada, scopes=scopes)).text
    assert not Token.objects.exists()


def test_unusable_token_is_not_added(admin_client: Client, ada: User) -> None:
    """Chosen: the form says so, and nothing is issued."""
    response = admin_client.post(ADD, add_data(ada, date="2001-01-01"))
    assert "This moment has passed already." in response.text
    User.objects.filter(pk=ada.pk).update(is_active=False)
    response = admin_client.post(ADD, add_data(ada))
    assert "This user is inactive, so no token can be used." in response.text
    assert not Token.objects.exists()


def test_only_the_name_can_be_changed(admin_client: Client, ada: User) -> None:
    """Chosen: whatever else a browser sends is ignored."""
    token, _ = Token.issue(ada, "Laptop")
    before = Token.objects.values().get()
    other = User.objects.create_user("grace")
    data = add_data(other, "Desktop", "2999-12-31") | {
        "digest": "0" * 64,
        "hint": "0000",
        "revoked_at_0": "2001-01-01",
    }
    response = admin_client.post(change_url(token), data, follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    assert Token.objects.values().get() == before | {"name": "Desktop"}
    assert texts_in(response.text) == []


def test_list_shows_what_is_known_of_a_token(admin_client: Client, ada: User) -> None:
    """Chosen: enough to find the one to revoke."""
    token, _ = Token.issue(ada, "Laptop")
    page = admin_client.get(LIST).text
    for text in ("ada", "Laptop", token.hint, ">usable<"):
        assert text in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"usable", "expired", "revoked"}),
        ("?state=usable", {"usable"}),
        ("?state=expired", {"expired"}),
        ("?state=revoked", {"revoked"}),
        ("?state=nonsense", {"usable", "expired", "revoked"}),
        ("?q=evoke", {"revoked"}),
        ("?q=grace", {"expired"}),
    ],
)
def test_list_is_filtered_and_searched(
    query: str, names: set[str], admin_client: Client, ada: User
) -> None:
    """Chosen: by state; by name, hint and user name."""
    grace = User.objects.create_user("grace")
    Token.issue(ada, "usable")
    Token.issue(grace, "expired", timezone.now() - timedelta(days=1))
    Token.issue(ada, "revoked")[0].revoke()
    page = admin_client.get(LIST + query).text
    assert set(re.findall(r'/change/[^>]*">([a-z]+)</a>', page)) == names


def test_selected_tokens_are_revoked(admin_client: Client, ada: User) -> None:
    """Chosen: at once, with a line in each one's history."""
    tokens = [Token.issue(ada, name)[0] for name in ("a", "b", "c")]
    tokens[0].revoke()
    response = admin_client.post(
        LIST,
        {"action": "revoke", "_selected_action": [t.pk for t in tokens[:2]]},
        follow=True,
    )
    assert "1 token was revoked." in response.text
    states = {t.name: t.revoked_at is not None for t in Token.objects.all()}
    assert states == {"a": True, "b": True, "c": False}
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(tokens[1].pk), "Revoked.")


def test_state_is_beside_the_name(admin_client: Client, ada: User) -> None:
    """Chosen: columns on the right are out of sight on a screen of 1,200 pixels."""
    Token.issue(ada, "Laptop")
    page = admin_client.get(LIST).text
    columns = re.findall(r'<t[hd] class="field-(\w+)', page)
    assert columns[:3] == ["name", "state", "user"]


def test_button_revokes_the_token_of_the_page(admin_client: Client, ada: User) -> None:
    """Chosen: after a question, whatever is in the form, and once."""
    token, _ = Token.issue(ada, "Laptop")
    url = change_url(token)
    assert 'name="_revoke"' in admin_client.get(url).text
    question = admin_client.post(url, {"name": "", "_revoke": "Revoke"}).text
    assert "Revoke the token <bdi>Laptop</bdi>" in question
    assert "acts as <bdi>ada</bdi>?" in question
    token.refresh_from_db()
    assert token.revoked_at is None
    response = admin_client.post(url, {"_revoke_confirmed": "Revoke"}, follow=True)
    assert response.redirect_chain == [(url, 302)]
    assert "1 token was revoked." in response.text
    assert 'name="_revoke"' not in response.text
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert token.name == "Laptop"
    assert LogEntry.objects.get().change_message == "Revoked."
    assert 'name="_revoke"' not in admin_client.get(ADD).text


def test_button_is_for_who_may_change(ada: User) -> None:
    """Chosen: as for the action."""
    token, _ = Token.issue(ada, "Laptop")
    client = staff_client("view_token")
    assert 'name="_revoke"' not in client.get(change_url(token)).text
    response = client.post(change_url(token), {"_revoke": "Revoke"})
    assert response.status_code == 403
    token.refresh_from_db()
    assert token.revoked_at is None


def test_button_on_a_page_that_is_gone_leads_back_to_the_list(
    admin_client: Client,
) -> None:
    """Chosen: as Django does."""
    for pk in ("7", "x"):
        url = f"/admin/mcp_tokens/token/{pk}/change/"
        response = admin_client.post(url, {"_revoke": "Revoke"}, follow=True)
        assert response.redirect_chain[-1] == ("/admin/", 302)
        assert "exist" in response.text


# Looking users up -------------------------------------------------------------------


@pytest.fixture
def without_users_in_the_admin() -> Iterator[None]:
    """Take the user model out of the admin for a while."""
    user_admin = type(admin.site.get_model_admin(User))
    admin.site.unregister(User)
    yield
    admin.site.register(User, user_admin)


def looked_up(client: Client, **query: str) -> tuple[list[str], bool]:
    """Give the texts that a select box is offered, and whether there are more."""
    found = client.get(f"{LIST}users/", query).json()
    texts = [result["text"] for result in found["results"]]
    return texts, found["pagination"]["more"]


@pytest.mark.usefixtures("without_users_in_the_admin")
def test_user_is_looked_up_also_when_users_are_not_in_the_admin(
    admin_client: Client, ada: User
) -> None:
    """Chosen: nobody should have to type a primary key."""
    page = admin_client.get(ADD).text
    assert f'data-ajax--url="{LIST}users/"' in page
    assert '<input type="text" name="user"' not in page
    assert looked_up(admin_client, term="ada") == (["ada"], False)
    response = admin_client.post(ADD, add_data(ada), follow=True)
    assert len(texts_in(response.text)) == 1


def test_users_are_looked_up_by_every_word_of_their_names(
    admin_client: Client, ada: User
) -> None:
    """Chosen: whom a token would be no good for is left out."""
    for name, first, is_active in (
        ("grace", "Ada", True),
        ("gone", "Ada", False),
        ("bob", "Bob", True),
    ):
        User.objects.create_user(
            name, f"{name}@navy.example", first_name=first, is_active=is_active
        )
    assert looked_up(admin_client, term="ADA") == (["ada", "grace"], False)
    assert looked_up(admin_client, term="navy ada") == (["grace"], False)
    assert looked_up(admin_client, term="nobody") == ([], False)


def test_users_are_looked_up_in_pages(admin_client: Client) -> None:
    """Chosen: as the admin's own select boxes do."""
    User.objects.bulk_create(User(username=f"user-{n:02}") for n in range(25))
    first, has_more = looked_up(admin_client, term="user-")
    second, has_yet_more = looked_up(admin_client, term="user-", page="2")
    assert (len(first), has_more, len(second), has_yet_more) == (20, True, 5, False)
    assert looked_up(admin_client, term="user-", page="x")[0] == first


def test_who_may_not_add_looks_nobody_up(ada: User) -> None:
    """Chosen: names of users are not for everybody."""
    client = staff_client("change_token", "view_token")
    assert client.get(f"{LIST}users/").status_code == 403
    assert Client().get(f"{LIST}users/").status_code == 302


# A database that is not ready -------------------------------------------------------


@pytest.fixture
def without_tokens_table(transactional_db: None) -> Iterator[None]:
    """Take the table away for a while."""
    call_command("migrate", "mcp_tokens", "zero", verbosity=0)
    yield
    call_command("migrate", "mcp_tokens", verbosity=0)


@pytest.mark.usefixtures("without_tokens_table")
@pytest.mark.parametrize("url", [LIST, "/admin/mcp_tokens/token/1/change/"])
def test_missing_migrations_are_told(url: str) -> None:
    """Chosen: in place of an error page, when the app has just been added."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    response = client.get(url, follow=True)
    assert response.redirect_chain == [("/admin/", 302)]
    assert "lacks migrations: run migrate first" in response.text


def test_permissions_of_the_admin_apply(ada: User) -> None:
    """Chosen: adding needs "add", revoking needs "change", looking needs "view"."""
    token, _ = Token.issue(ada, "Laptop")
    client = staff_client("view_token")
    assert "Revoke selected tokens" not in client.get(LIST).text
    assert client.get(change_url(token)).status_code == 200
    assert client.get(ADD).status_code == 403
    client.post(LIST, {"action": "revoke", "_selected_action": [token.pk]})
    assert Token.objects.get().revoked_at is None


def test_who_may_change_may_revoke(ada: User) -> None:
    """Chosen: revoking is a change."""
    token, _ = Token.issue(ada, "Laptop")
    client = staff_client("change_token", "view_token")
    client.post(LIST, {"action": "revoke", "_selected_action": [token.pk]})
    assert Token.objects.get().revoked_at is not None


def test_who_may_not_view_sees_nothing() -> None:
    """Chosen: being staff is not enough."""
    assert staff_client().get(LIST).status_code == 403
