"""URLs with a path converter whose answers change."""

from django.urls import include, path, register_converter

from tests.site.mcp import server

open_houses: set[str] = set()
"""What there are houses of; may change while the site runs."""


class HouseConverter:
    """Matches the houses that are open."""

    regex = "[a-z]+"

    def to_python(self, value: str) -> str:
        """Find a house."""
        if value not in open_houses:
            raise ValueError(value)
        return value

    def to_url(self, value: str) -> str:
        """Give its name."""
        return value


register_converter(HouseConverter, "house")

urlpatterns = [path("<house:name>/", include(server.urls("mcp")))]
