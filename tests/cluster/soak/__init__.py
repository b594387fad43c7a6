"""Mixed traffic for long, while one thing after the other breaks: `make soak`.

`traffic` asks and `ledger` keeps what came back; `faults` says what breaks and what is
promised of it, by `strikes`, and `striking` breaks and mends it;
`measures` says what the workers hold. `__main__` runs all of it and prints a table.
"""
