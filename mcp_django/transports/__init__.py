"""Carry messages to and from one peer: one file per binding, both halves together.

`base` is the interface, `streams` the same as a pair of anyio streams, for programs
written against those. `lines` is what all streams of bytes share; `flow` and `owed` are
what is known of slow readers. May import `mcp_django.protocol` and
`mcp_django.exceptions`.
"""
