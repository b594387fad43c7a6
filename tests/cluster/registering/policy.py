"""A policy with little room."""

from mcp_django.oauth.authorization_server.policies import ClientPolicy
from tests.cluster.registering import MOST


class Few(ClientPolicy):
    """Keeps few clients, and takes as many from each source as come."""

    clients_per_minute = 1_000_000
    max_unused_clients = MOST
