"""Several workers on a real Redis and a real PostgreSQL, and all that breaks them.

Between the workers and what they need, and before each worker, stands a proxy that
delays, cuts, drops and half-opens connections. The tests here are the short form; the
long one is `make soak`.
"""
