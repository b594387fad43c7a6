"""Pages in Django's admin, which finds them by the name of this package.

`page` is what they have in common: a page of its own in place of a list of rows.

* `features` shows what the servers offer: `offered` reads it, `schema_tables` shows
  what features take, and `switching` switches them off and on
* `live` shows what is open in all workers, and ends it: `live_view` puts into words
  what workers say, `credential_rows` names what programs connect with, `live_ends`
  is what ends
"""

from __future__ import annotations

from mcp_django.pages.admin import features, live

__all__ = ["features", "live"]
