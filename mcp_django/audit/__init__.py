"""The audit trail: who asked for what, when, and how it ended, in the site's database.

`recorder` observes requests, and makes a row of each. `writer` writes `rows` in a
thread of its own, many at a time, so that no request waits for the database. `models`
is what is kept and for how long, and `admin` shows it. `bins` counts many entries at
once; `use` says by it how each feature was used.

What the admin shows: `filters` narrow the list to `periods` and values, `figures` are
what is counted of it, `chart` says where each part of the drawing is, and `overview`
puts what is above the list into words for its template.

May import all of the server half. Start reading at `recorder`.
"""
