"""A site whose handlers hang, in every way there is."""
