"""Tests with real processes: Daphne, Redis, and clients that nobody here wrote."""
