"""Mixed traffic for long, while one thing after the other breaks: `make soak`.

`traffic` asks and `ledger` keeps what came back; `faults` breaks things and mends them;
`measures` says what the workers hold. `__main__` runs all of it and prints a table.
"""
