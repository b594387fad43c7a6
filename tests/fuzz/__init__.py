"""Clients that do anything, over networks that do anything, and bytes at every door."""
