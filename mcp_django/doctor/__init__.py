"""Plays what clients do until they are logged in at a server; says what fails, and why.

May import `client`, `protocol` and `exceptions`; knows no Django, so that it can be
tried against any server.
"""
