"""Search for numbers, such as 401 or -32602: Sphinx's own leaves all of them out.

It takes words of digits for noise, both when it makes the index and when it reads what
is searched for. So each gets a letter in front, in both places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sphinx.search.en import SearchEnglish

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_MARK: Final = "n"


class EnglishWithNumbers(SearchEnglish):
    """The site's language for search."""

    js_splitter_code = f"""
function splitQuery(query) {{
  return query.split(/[^\\p{{L}}\\p{{N}}_]+/u).filter((word) => word)
    .map((word) => /^\\d+$/.test(word) ? "{_MARK}" + word : word);
}}
"""

    def split(self, input: str) -> list[str]:  # noqa: A002  # as its base has it
        """Split a text into words, as `splitQuery` does what is searched for."""
        return [_MARK + w if w.isdigit() else w for w in super().split(input)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it, as Sphinx wants."""
    app.add_search_language(EnglishWithNumbers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
