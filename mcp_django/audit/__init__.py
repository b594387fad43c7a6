"""The audit trail: who asked for what, when, and how it ended, in the site's database.

`recorder` observes requests, and makes a row of each. `writer` writes `rows` in a
thread of its own, many at a time, so that no request waits for the database. `models`
is what is kept and for how long, and `admin` shows it. `bins` counts many entries at
once; `use` says by it how each feature was used.

May import all of the server half. Start reading at `recorder`.
"""
