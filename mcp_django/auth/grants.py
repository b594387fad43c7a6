"""What programs were granted by a user, for pages that show it to them.

An app that lets users grant something says so in `AppConfig.ready`::

    from mcp_django.auth.grants import finders

    finders.append(find_grants)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Grant:
    """That a program may act as the user of a request.

    Attributes:
        name: Of the program, in characters that can be seen.
        revoke_url: Where the user is asked whether to revoke it.
        template: Name of the template that shows the facts.
        program: What that template knows by this name.
    """

    name: str
    revoke_url: str
    template: str
    program: object


Finder: TypeAlias = Callable[[HttpRequest], Sequence[Grant]]
"""Gives what was granted by the user of a request, who has logged in. It may ask the
database. Whoever revokes comes back to the page that was asked for."""

finders: Final[list[Finder]] = []
"""What finds grants; empty where no app knows any."""
