"""A site where several processes register programs at the same time."""

from typing import Final

MOST: Final = 20
"""How many clients it keeps that are not used."""
