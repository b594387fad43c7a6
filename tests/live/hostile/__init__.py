"""A site whose features take what is hard to check."""
