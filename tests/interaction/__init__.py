"""One suite of scenarios, over every binding.

A scenario gets `connect` and talks through the official SDK's `ClientSession`, which
checks every result against the schema of the version. A new binding is a function in
`bindings.py` and a line in its table.
"""
