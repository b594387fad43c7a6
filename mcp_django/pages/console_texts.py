"""What the console's script says to people: texts by the names it knows them by.

In braces stand names of values that the script fills in.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from mcp_django.pages.form_texts import forms_texts, results_texts


def console_texts() -> dict[str, Mapping[str, str]]:
    """Give all texts, translated, by the part of the console that shows them."""
    return {
        "connection": connection_texts(),
        "features": feature_texts(),
        "questions": question_texts(),
        "messages": message_texts(),
        "forms": forms_texts(),
        "results": results_texts(),
    }


def connection_texts() -> dict[str, str]:
    """Give those about the connection, its begin and its end."""
    return {
        "title": _("Connection"),
        "binding": _("Transport"),
        "streamable-http": _("Streamable HTTP"),
        "sse": _("HTTP+SSE"),
        "websocket": _("WebSocket"),
        "version": _("Protocol version"),
        "token": _("Token, instead of your login"),
        "tokenHint": _(
            "Over Streamable HTTP only; browsers send no token with the others."
        ),
        "noCookies": _(
            "This site takes no login cookies at its endpoint, so that you need a "
            "token to connect."
        ),
        "connect": _("Connect"),
        "disconnect": _("Disconnect"),
        "again": _("Connect again"),
        "login": _("Log in again"),
        "closed": _("Not connected"),
        "opening": _("Connecting…"),
        "open": _("Connected as {user}"),
        "away": _("The connection is lost, and the server does not answer."),
        "unopened": _(
            "The server answers, but does not open this transport. Its log may say why."
        ),
        "ended": _("The server has ended the connection."),
        "loggedOut": _("Your login to the site has ended, and with it the connection."),
        "session": _("The server does not know the session any more."),
        "refused": _("The server refuses the connection: {reason}"),
        "status": _("The server answered HTTP {status}."),
        "instructions": _("What the server tells programs"),
        "capabilities": _("What the server can do"),
        "logLevel": _("Log from"),
        "noLog": _("not asked for"),
        "ping": _("Ping"),
        "pong": _("The server answered a ping after {milliseconds} ms."),
    }


def feature_texts() -> dict[str, str]:
    """Give those about what the server offers, and calls of it."""
    return {
        "title": _("Features"),
        "tools": _("Tools"),
        "resources": _("Resources"),
        "templates": _("Resource templates"),
        "prompts": _("Prompts"),
        "none": _("There is none that you may use."),
        "more": _("Load more"),
        "choose": _("Choose a feature to see what it needs."),
        "unconnected": _("Connect to see what the server offers."),
        "filter": _("Filter by name"),
        "filtered": _("None has this in its name."),
        "call": pgettext("console", "Call"),
        "read": pgettext("console", "Read"),
        "get": pgettext("console", "Get"),
        "cancel": _("Cancel"),
        "running": _("Running…"),
        "cancelled": _("Cancelled after {seconds} s"),
        "answered": _("Answered after {seconds} s"),
        "failed": _("Failed after {seconds} s"),
        "error": _("Error {code}: {message}"),
        "progress": _("Progress"),
        "result": _("Result"),
        "raw": _("The result as it came"),
        "schema": _("As the server lists it"),
        "share": _("Copy a link to this call"),
        "shared": _(
            "The link is in the clipboard, and in the address bar. It fills in the "
            "form and calls nothing."
        ),
        "unshared": _(
            "The link is in the address bar; your browser did not let it be copied."
        ),
        "fromLink": _(
            "A link has filled in this form. Look at it before you call anything."
        ),
        "badLink": _("The link names no feature that is here: {name}"),
        "subscribe": _("Tell me of changes"),
        "unsubscribe": _("Tell me no more"),
        "changed": _("This resource has changed."),
        "readOnly": _("reads only"),
        "destructive": _("may destroy"),
        "idempotent": _("same when repeated"),
        "openWorld": _("reaches outside"),
        "notices": _("Notices and log"),
        "noNotices": _("Nothing yet: log messages and changes come here."),
        "noticeChanged": _("{list} have changed, and were loaded again."),
        "noticeVisited": _("The page that you were asked to visit is done with."),
        "noticeUpdated": _("Resource {uri} has changed."),
        "clear": pgettext("console", "Clear"),
    }


def question_texts() -> dict[str, str]:
    """Give those about what the server asks."""
    return {
        "elicitation": _("The server asks you"),
        "accept": _("Send"),
        "decline": _("Decline"),
        "dismiss": _("Dismiss"),
        "visit": _("The server asks you to visit a page"),
        "visitHint": _(
            "It opens in a new tab. See that you know and trust {host} first."
        ),
        "open": _("Open the page"),
        "notWeb": _("This is no address of a web page, so that it cannot be opened."),
        "sampling": _("The server asks for a model's answer"),
        "samplingHint": _("There is no model here: you answer in its place."),
        "system": _("System prompt"),
        "answer": pgettext("console", "Answer"),
        "model": _("Name of the model"),
        "refuse": _("Refuse"),
        "roots": _("The server asks for your folders"),
        "rootsHint": _("One address a line, such as file:///home/me/project"),
        "withdrawn": _("The server has withdrawn its question."),
    }


def message_texts() -> dict[str, str]:
    """Give those about the panel of messages."""
    return {
        "title": pgettext("console", "Messages"),
        "none": _("Nothing yet: each message that is sent or received comes here."),
        "filter": _("Filter messages"),
        "direction": _("Direction"),
        "all": _("Sent and received"),
        "sent": _("Sent"),
        "received": _("Received"),
        "curl": _("Copy as curl"),
        "copied": _("Copied"),
        "uncopied": _("Your browser does not let it be copied. Copy it from here:"),
        "clear": pgettext("console", "Clear"),
        "count": _("{shown} of {count}"),
        "dropped": _("Older ones are left out."),
        "result": _("Result"),
        "error": _("Error"),
        "httpStatus": _("HTTP {status}"),
    }
