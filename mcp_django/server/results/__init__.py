"""What handlers return, written as results.

`tool_results`, `prompt_results` and `resource_contents` write one kind of feature each;
`typed_results` values of an annotated type, `values` all others. `media` are pictures,
sounds and files, `rows` come from the database, `series` are made while they are read.
"""
