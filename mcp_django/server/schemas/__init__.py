"""Python types as JSON Schema, and values that are checked by one.

`json_schema` writes them; `possible_values` and `references` are parts of that.
`argument_schemas`, `lazy_examples`, `octets` and `typed_dicts` are what pydantic reads
or writes otherwise. `verbatim_schemas` are those that a developer wrote, with
`patterns` that are found in bounded time. `words` says in a few words what a schema
allows.
"""
