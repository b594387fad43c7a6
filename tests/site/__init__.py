"""A small app with features of every kind, for tests of what surrounds servers."""
