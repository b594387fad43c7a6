"""A site all of whose code raises, as an app of Django's."""
