"""Programs that are run in an interpreter of their own."""
