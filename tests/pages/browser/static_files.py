"""Static files as a site in operation has them: by names with hashes, kept for ever."""

from __future__ import annotations

from mimetypes import guess_type

from django.contrib.staticfiles.storage import (
    ManifestStaticFilesStorage,
    staticfiles_storage,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control


class HashedModules(ManifestStaticFilesStorage):
    """The storage that the guide tells of."""

    support_js_module_import_aggregation = True


@cache_control(public=True, immutable=True, max_age=365 * 24 * 60 * 60)
def static_file(request: HttpRequest, name: str) -> HttpResponse:
    """Give a file by its hashed name, as a server of static files would.

    By any other name it is not there: a page that asked for it would get old files.

    Raises:
        Http404: There is none of that name.
    """
    hashed: dict[str, str] = getattr(staticfiles_storage, "hashed_files", {})
    if name not in hashed.values():
        raise Http404
    with staticfiles_storage.open(name) as file:
        return HttpResponse(file.read(), content_type=guess_type(name)[0])
