"""What `make bench` measures: how fast we are beside others, and how that grows.

Start at `rows`, the table of what is compared with what. A row has *contenders*: ours,
a raw ASGI application, the bare minimum of a tool call, and other packages. `compare`
takes one *sample* of each contender in each round; `figures` makes medians and ratios
of them, and `report` tables.

`sites` are the applications that are served, `servers` how each is started, and
`environments` where the other packages live. `calls` are the bytes that are sent.
"""
