"""CORS for what programs in any web page may ask: documents, and endpoints of OAuth.

None of it looks at cookies, so a page learns nothing by it that it could not ask from
anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial, wraps
from typing import Any, TypeAlias

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from mcp_django.consumers.cors import ANSWERS_CORS, answer_all_origins

View: TypeAlias = Callable[..., HttpResponseBase]


def open_to_all_origins(methods: Collection[str]) -> Callable[[View], View]:
    """Let pages of every origin ask a view and read its answers, without cookies.

    Preflights are answered without asking the view.

    Args:
        methods: What the view takes, such as `["POST"]`.

    Spec: Fetch, "CORS protocol".
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            asked = partial(view, request, *args, **kwargs)
            return answer_all_origins(request, methods, asked)

        setattr(answer, ANSWERS_CORS, True)
        return answer

    return decorate
