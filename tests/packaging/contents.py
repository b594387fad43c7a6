"""What the built files hold: all of the package that is in the repository, alone."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

OF_SDIST = frozenset(
    {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
)
"""What an sdist has beside the package."""

OF_WHEEL = frozenset({"METADATA", "RECORD", "WHEEL", "licenses/LICENSE"})
"""What a wheel has beside it, in its folder of metadata."""

KINDS = frozenset({".css", ".html", ".js", ".mo", ".py", ".toml", ".typed"})
"""What there has to be some of, so that none is lost where it is looked for."""


def check_contents(sdist: Path, wheel: Path) -> None:
    """Exit with what is missing in these files, too much, or another than committed."""
    files = dict(package_files())
    found = [*_faults(sdist, read_sdist(sdist), files, OF_SDIST)]
    found += _faults(wheel, read_wheel(wheel), files, OF_WHEEL)
    kinds = {Path(name).suffix or Path(name).name for name in files}
    found += [f"the package has no file of the kind {kind}" for kind in KINDS - kinds]
    if found:
        sys.exit("\n".join(found))


def package_files() -> Iterator[tuple[str, bytes]]:
    """Give the path and the content of all that git knows of the package."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "mcp_django"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.split("\0"):
        if name:
            yield name, (ROOT / name).read_bytes()


def read_sdist(path: Path) -> dict[str, bytes]:
    """Give what an sdist holds, by the path below its folder."""
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        return {
            member.name.partition("/")[2]: stream.read()
            for member in members
            if (stream := archive.extractfile(member)) is not None
        }


def read_wheel(path: Path) -> dict[str, bytes]:
    """Give what a wheel holds; metadata by the path below their folder."""
    with zipfile.ZipFile(path) as archive:
        return {
            name.partition(".dist-info/")[2] or name: archive.read(name)
            for name in archive.namelist()
        }


def _faults(
    path: Path,
    found: Mapping[str, bytes],
    files: Mapping[str, bytes],
    others: frozenset[str],
) -> Iterator[str]:
    expected = files.keys() | others
    for name in sorted(expected - found.keys()):
        yield f"{path.name} lacks {name}"
    for name in sorted(found.keys() - expected):
        yield f"{path.name} has {name}, which git does not know"
    for name in sorted(files.keys() & found.keys()):
        if found[name] != files[name]:
            yield f"{name} in {path.name} is another than in the repository"
