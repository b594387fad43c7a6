"""Log in at other servers: the `auth` object of a client, for servers that use OAuth.

::

    auth = OAuth(storage=FileStorage(path), redirect=LoopbackRedirect())
    async with Client(url, auth=auth) as client:
        ...

It may import what `client` may, and no Django. Start at `auth`.

* `auth`: `OAuth`, which puts tokens into requests, and what is given to it (`options`)
* `account`: the tokens for one server: kept, refreshed or granted, one task at a time
* `granting`: has a token granted; `discovery` finds out by whom, `identification` as
  whom to come (`clients`); `logins` sends a user there, `grants` do without one
* `tokens`: what an authorization server is asked for; `fetching` asks, within bounds
* `finishing`: keeps what was given, also for a task that is cancelled meanwhile
* `challenges`, `addresses`, `documents`: what servers say, and what of it may be used
* `records`: what is kept; `storage`, `file_storage`: where, in memory or in a file
* `redirect`: how a user gets to a page, and their answer back: an interface
* `loopback`: the same for a program at a terminal: a browser, and a port of its own
"""

from mcp_django.client.oauth.auth import OAuth
from mcp_django.client.oauth.clients import RegisteredClient
from mcp_django.client.oauth.file_storage import FileStorage
from mcp_django.client.oauth.grants import Assertion, ClientCredentials, Grant
from mcp_django.client.oauth.logins import Login
from mcp_django.client.oauth.loopback import LoopbackRedirect
from mcp_django.client.oauth.redirect import Receiver, Redirect
from mcp_django.client.oauth.storage import MemoryStorage, Storage

__all__ = [
    "Assertion",
    "ClientCredentials",
    "FileStorage",
    "Grant",
    "Login",
    "LoopbackRedirect",
    "MemoryStorage",
    "OAuth",
    "Receiver",
    "Redirect",
    "RegisteredClient",
    "Storage",
]
