"""Servers by others, for our client."""
