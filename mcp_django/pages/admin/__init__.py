"""Pages in Django's admin, which finds them by the name of this package.

`page` is what they have in common: a page of its own in place of a list of rows.

* `live` shows what is open in all workers, and ends it
"""

from __future__ import annotations

from mcp_django.pages.admin import live

__all__ = ["live"]
