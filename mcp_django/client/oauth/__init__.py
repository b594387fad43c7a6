"""Log in at other servers: the `auth` object of a client, for servers that use OAuth.

::

    auth = OAuth(storage=FileStorage(path), redirect=...)
    async with Client(url, auth=auth) as client:
        ...

It may import what `client` may, and no Django. Start at `storage` and `redirect`.

* `storage`, `file_storage`: where tokens are kept: an interface, memory, a file
* `redirect`: how a user gets to a page, and their answer back: an interface
* `loopback`: the redirect of programs on the user's own machine
"""

from mcp_django.client.oauth.file_storage import FileStorage
from mcp_django.client.oauth.loopback import LoopbackRedirect
from mcp_django.client.oauth.redirect import Receiver, Redirect
from mcp_django.client.oauth.storage import MemoryStorage, Storage

__all__ = [
    "FileStorage",
    "LoopbackRedirect",
    "MemoryStorage",
    "Receiver",
    "Redirect",
    "Storage",
]
