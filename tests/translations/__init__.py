"""The catalogs of translations: what makes them, and what they have to be.

`python -m tests.translations` is `make messages`. Modules: `sources` finds the messages
in the package and in the demo, `catalogs` reads, writes and compiles what translators
work on.
"""
