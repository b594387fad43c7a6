"""The project on every server: `make test-matrix` runs these, `make test` does not."""
