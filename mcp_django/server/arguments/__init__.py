"""What a function takes: told to clients, and made of what they send.

`signatures` reads a function once, by what it has `accepted` in its parameters, and its
`docstrings`. `model_arguments` are validated by annotations, in bounded work
(`argument_work`, `bounded_validation`, `validation_watch`, `allowance`), after what
clients write otherwise was made to fit (`fitting`). `verbatim_arguments` are checked by
a schema that the developer wrote. `invalid_arguments` is what is said of the others.
"""
