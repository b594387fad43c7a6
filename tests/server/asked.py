"""A question that a handler asks."""

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.asking import Question


def read_number(result: JSONObject) -> int:
    """Give the number in a client's answer."""
    return int(result["number"])


def question(key: str = "a", text: str = "?") -> Question[int]:
    """Ask for a number."""
    return Question(key, "elicitation/create", {"message": text}, read_number)
