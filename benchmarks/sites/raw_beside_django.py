"""The raw application in a process that has loaded our site: what that alone costs."""

from benchmarks.sites.raw import application
from tests.conformance.asgi import application as site

__all__ = ["application", "site"]
