"""The demo's pages, on a real Daphne."""

import html
import re

import httpx2
import pytest

pytestmark = pytest.mark.live


def read_field(page: str, name: str) -> str:
    """Return the value of a hidden field of a page."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found is not None, f"the page has no field {name}"
    return html.unescape(found[1])


def submit(
    browser: httpx2.Client, path: str, page: str, **fields: str
) -> httpx2.Response:
    """Send a form of a page."""
    token = read_field(page, "csrfmiddlewaretoken")
    return browser.post(path, data={"csrfmiddlewaretoken": token, **fields})


def log_in(
    browser: httpx2.Client, password: str, path: str = "/login/"
) -> httpx2.Response:
    """Log `reader` in through the login page."""
    page = browser.get(path).text
    return submit(
        browser,
        "/login/",
        page,
        username="reader",
        password=password,
        next=read_field(page, "next"),
    )


def test_home_page_shows_the_catalog(browser: httpx2.Client) -> None:
    """We chose it: everybody may look at the books."""
    page = browser.get("/")
    assert page.status_code == 200
    assert page.text.count('class="card"') == 24
    assert 'rel="next"' in page.text


def test_search_narrows_the_catalog(browser: httpx2.Client) -> None:
    """We chose it: every word has to occur in title, author or summary."""
    titles = re.findall(
        r'cover-title">([^<]+)<', browser.get("/", params={"q": "whale melville"}).text
    )
    assert titles == ["Moby-Dick"]


def test_search_without_results_says_so(browser: httpx2.Client) -> None:
    """We chose it: an empty page would look broken."""
    assert "Nothing on our shelves fits" in browser.get("/?q=xyzzy").text


def test_unknown_book_is_not_found(browser: httpx2.Client) -> None:
    """We chose it."""
    assert browser.get("/books/1234567890123/").status_code == 404


def test_strangers_are_sent_to_the_login_page(browser: httpx2.Client) -> None:
    """We chose it: and come back to where they were going."""
    page = browser.get("/loans/")
    assert (page.url.path, page.url.query) == ("/login/", b"next=/loans/")
    assert log_in(browser, "reader", "/loans/?").url.path == "/loans/"


def test_wrong_password_is_refused_with_a_word(browser: httpx2.Client) -> None:
    """We chose it."""
    page = log_in(browser, "wrong")
    assert 'role="alert"' in page.text
    assert "sessionid" not in browser.cookies


def test_reader_borrows_and_returns_a_book(browser: httpx2.Client) -> None:
    """We chose it: the pages do what the tools do."""
    log_in(browser, "reader")
    path = "/books/9780000000057/"
    borrowed = submit(browser, f"{path}borrow/", browser.get(path).text)
    assert "Frankenstein is yours until" in borrowed.text
    [action] = re.findall(r'action="(/loans/\d+/return/)"', borrowed.text)
    returned = submit(browser, action, borrowed.text)
    assert "Frankenstein is back on its shelf" in returned.text


def test_logging_out_takes_a_post(browser: httpx2.Client) -> None:
    """We chose it: a link or image on a foreign page must not log anybody out."""
    page = log_in(browser, "reader").text
    assert browser.get("/logout/").status_code == 405
    assert "sessionid" in browser.cookies
    submit(browser, "/logout/", page)
    assert "sessionid" not in browser.cookies


@pytest.mark.parametrize("path", ["/", "/login/", "/admin/login/"])
def test_styles_are_served(browser: httpx2.Client, path: str) -> None:
    """We chose it: plain Daphne needs no other server for a look at the demo."""
    styles = re.findall(
        r'<link rel="stylesheet" href="([^"]+)"', browser.get(path).text
    )
    assert styles
    for style in styles:
        answer = browser.get(style)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/css")
