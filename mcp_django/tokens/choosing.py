"""The field of a form that asks what a new token shall allow."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.forms import MultipleChoiceField
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from mcp_django.tokens.scopes import known_scopes

EVERYTHING: Final = "every scope"
"""Stands for all rights of the user; no scope has blanks in its name."""


class ScopesField(MultipleChoiceField):
    """Asks for scopes; its value is a list of them, None for everything.

    Args:
        everything: What a user reads who shall choose all rights at once.
        kwargs: For the field.
    """

    def __init__(self, everything: str | Promise, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("It allows"))
        kwargs.setdefault(
            "error_messages", {"required": _("Say what the token shall allow.")}
        )

        def choices() -> list[tuple[str, Any]]:
            return [
                (EVERYTHING, everything),
                *(
                    (name, format_html("{} <code>{}</code>", text, name))
                    for name, text in known_scopes().items()
                ),
            ]

        super().__init__(choices=choices, **kwargs)

    def clean(self, value: Any) -> Any:
        """Give the scopes, None for everything.

        Raises:
            ValidationError: There is no such scope, or it is everything and some of it.
        """
        chosen: list[str] = super().clean(value)
        if EVERYTHING not in chosen:
            return chosen
        if len(chosen) > 1:
            raise ValidationError(_("It is either everything, or some of it."))
        return None
