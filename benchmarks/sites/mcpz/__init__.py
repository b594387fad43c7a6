"""A site by django-mcpz."""
