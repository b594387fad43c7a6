"""The admin page of what is open in all workers."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from mcp_django.operations import astatus
from mcp_django.pages.admin.live_view import LISTED
from mcp_django.tokens.models import Token
from mcp_django.worker.worker import current_worker
from tests.consumers.conftest import door
from tests.consumers.connections import open_stream
from tests.consumers.streamable import arrival, call_of, shop
from tests.operations.streams import Stream
from tests.pages.admin.staff import make_staff
from tests.site.mcp import Door

__all__ = ["door"]

PAGE = "/admin/mcp_pages/live/"
END = f"{PAGE}end/"


@pytest.mark.django_db
def test_page_is_for_users_with_its_permission(client: Client) -> None:
    """Chosen: what users have open is nothing for all of the staff."""
    assert client.get(PAGE)["location"].startswith("/admin/login/")
    client.force_login(make_staff())

    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()


@pytest.mark.django_db
def test_page_without_workers_says_so_and_is_found_in_the_index(
    client: Client,
) -> None:
    """Chosen: it stands among the models, as pages of the admin do."""
    client.force_login(make_staff("view_live"))

    assert f'href="{PAGE}"' in client.get("/admin/").content.decode()
    text = client.get(PAGE).content.decode()
    assert "No worker has answered" in text
    assert "there is no channel layer that joins processes" in text
    assert "/end/" not in text


@pytest.mark.django_db
def test_ending_takes_a_permission_of_its_own(client: Client) -> None:
    """Chosen: looking harms no program."""
    client.force_login(make_staff("view_live"))

    assert client.get(f"{END}?what=all").status_code == 403
    assert client.post(END, {"what": "all"}).status_code == 403


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("", "does not say what to end"),
        ("user:", "does not say what to end"),
        ("feature:hold", "does not say what to end"),
        ("planet:earth", "does not say what to end"),
        ("user:\0", "does not say what to end"),
        ("user:ada", "does not say what to end"),
        (f"user:{10**30}", "does not say what to end"),
        ("connection:w:1", "It is over already"),
    ],
)
@pytest.mark.django_db
def test_what_cannot_end_leads_back(client: Client, what: str, says: str) -> None:
    """Chosen: addresses may be old, or made by hand."""
    client.force_login(make_staff("view_live", "end_live"))

    response = client.get(END, {"what": what}, follow=True)

    assert response.redirect_chain == [(PAGE, 302)]
    assert says in response.content.decode()


@pytest.mark.django_db
def test_user_that_there_is_not_is_said(client: Client) -> None:
    """Chosen: an empty list would look as if nothing of that user were open."""
    client.force_login(make_staff("view_live"))

    text = client.get(PAGE, {"user": "<ada>"}).content.decode()

    assert "There is no user <bdi>&lt;ada&gt;</bdi>" in text


async def test_one_that_the_page_does_not_list_can_be_ended(ada: User) -> None:
    """Chosen: a list has an end, and the newest are what an operator looks for."""
    olga = await sync_to_async(make_staff)("view_live", "end_live")
    client = AsyncClient()
    await client.aforce_login(olga)
    worker = current_worker()
    for pk in [ada.pk + 1] * LISTED + [ada.pk]:
        Stream(worker, pk)
    [row] = (await astatus(listed=1, user=ada)).workers[0]["open"]

    page = await content_of(client, PAGE)
    assert row["id"].replace(":", "%3A") not in page
    assert "Not listed: 1 more" in page
    question = await content_of(client, f"{END}?what=connection:{row['id']}")
    for what in (
        f"connection:{row['id']}",
        f"user:{ada.pk}",
        f"credential:of {ada.pk}",
    ):
        assert f'value="{what}"' in question
    assert "Not listed" not in question
    await worker.close_all()


async def test_what_is_open_is_shown_and_ended_after_a_question(
    ada: User, door: Door
) -> None:
    """Chosen: by a form, which no other site can send."""
    token, text = await sync_to_async(Token.issue)(ada, "Ada's <laptop>")
    olga = await sync_to_async(make_staff)(
        "view_live", "end_live", "view_token", "view_entry"
    )
    client = AsyncClient()
    await client.aforce_login(olga)
    headers = {"authorization": f"Bearer {text}"}
    async with open_stream(shop, headers=headers) as stream:
        await stream.initialize()
        await stream.post(call_of("hold", door="here"))
        await arrival(door)
        [worker] = (await astatus(listed=1)).workers
        id = worker["open"][0]["id"]

        page = await content_of(client, PAGE)
        for part in (
            "<bdi>ada</bdi>",
            "<bdi>Ada&#x27;s &lt;laptop&gt; (token ",
            f'href="/admin/mcp_tokens/token/{token.pk}/change/"',
            "<bdi>tool:hold</bdi>",
            "HTTP+SSE",
            'href="/admin/mcp_audit/entry/?outcome=refused"',
            '<span class="mcp-whole">2025-11-25</span>',
            "server <bdi>shop</bdi>",
            f'href="{END}?what=connection:{id.replace(":", "%3A")}"',
        ):
            assert part in page
        assert "Nothing of this user is open." in await content_of(
            client, f"{PAGE}?user=olga"
        )

        question = await content_of(client, f"{END}?what=connection:{id}")
        for value in (
            f"connection:{id}",
            f"user:{ada.pk}",
            f"credential:token {token.pk}",
            "feature:shop/tool:hold",
        ):
            assert f'value="{value}"' in question

        response = await client.post(END, {"what": f"user:{ada.pk}"})
        assert response["location"] == PAGE
        answer = await stream.read_message()
        assert answer["error"]["message"] == "the request was ended by an operator"
        await stream.connection.wait_for_end()
    said = await content_of(client, PAGE)
    assert "Ended. Streams: 1, requests: 0." in said
    entry = await LogEntry.objects.aget()
    assert (entry.user_id, entry.object_id) == (olga.pk, None)
    assert entry.get_change_message() == (
        "All that is open of ada. Ended. Streams: 1, requests: 0."
    )
    await current_worker().close_all()


async def content_of(client: AsyncClient, url: str) -> str:
    """Give the text of a page."""
    response: Any = await client.get(url)
    assert response.status_code == 200
    return str(response.content.decode())
