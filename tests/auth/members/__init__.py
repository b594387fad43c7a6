"""A Django app with a user model that has little in common with Django's own."""
