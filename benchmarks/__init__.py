"""Benchmarks: `make bench`. They print ratios, because machines are noisy."""
