"""Credentials and programs by their labels: what they are called, and their pages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from mcp_django.auth.labels import (
    label_of_access_token,
    label_of_application,
    label_of_token,
)
from mcp_django.operations.rows import rows_named


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """A credential, or a program.

    Attributes:
        label: As `Identity` has it.
        name: What people call it; the label where it has no name.
        url: Of its page in the admin; "" if there is none, or not for this user.
    """

    label: str
    name: str
    url: str = ""

    @property
    def shown(self) -> str:
        """Both the name and the label, where they differ."""
        if self.name == self.label:
            return self.label
        return f"{self.name} ({self.label})"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A model whose rows labels name.

    Attributes:
        label_of: Gives the label by the primary key.
        model: Its name; the setting that may name another, and its usual one.
        name_of: Names a row; None where the label says it all.
    """

    label_of: Callable[[object], str]
    model: Callable[[], str]
    name_of: Callable[[Any], str] | None = None


_KINDS: Final = (
    _Kind(
        label_of_access_token,
        lambda: _setting("ACCESS_TOKEN", "AccessToken"),
    ),
    _Kind(
        label_of_application,
        lambda: _setting("APPLICATION", "Application"),
        lambda row: str(row.name),
    ),
    _Kind(label_of_token, lambda: "mcp_tokens.Token", lambda row: str(row.name)),
)


def find_rows(
    labels: Collection[str], request: HttpRequest, site: AdminSite
) -> Mapping[str, CredentialRow]:
    """Find what labels name: each is there, if only by its label.

    Args:
        labels: Of credentials and programs.
        request: Whose user is shown only what its permissions let it see.
        site: Where their pages may be.
    """
    found = {label: CredentialRow(label, label) for label in labels}
    for kind in _KINDS:
        beginning = kind.label_of("")
        names = [
            label.removeprefix(beginning)
            for label in labels
            if label.startswith(beginning)
        ]
        model = _model(kind.model()) if names else None
        if model is not None and _may_view(model, request, site):
            found |= _rows_of(kind, model, names, site)
    return found


def _rows_of(
    kind: _Kind, model: type[Model], names: Collection[str], site: AdminSite
) -> dict[str, CredentialRow]:
    found = {}
    # Another issuer may name its programs by what is no key here.
    for pk, row in rows_named(model, names).items():
        label = kind.label_of(pk)
        name = (kind.name_of and kind.name_of(row)) or label
        options = model._meta
        view = f"{options.app_label}_{options.model_name}_change"
        url = reverse(f"admin:{view}", args=[quote(pk)], current_app=site.name)
        found[label] = CredentialRow(label, name, url)
    return found


def _may_view(model: type[Model], request: HttpRequest, site: AdminSite) -> bool:
    return site.is_registered(model) and site.get_model_admin(
        model
    ).has_view_permission(request)


def _setting(name: str, usual: str) -> str:
    """Name a model of django-oauth-toolkit, which a project may replace."""
    model: str = getattr(
        settings, f"OAUTH2_PROVIDER_{name}_MODEL", f"oauth2_provider.{usual}"
    )
    return model


def _model(name: str) -> type[Model] | None:
    try:
        return apps.get_model(name)
    except LookupError:  # its app is not installed
        return None
