"""Build the distribution, install it in empty environments, and use it there.

That is `make packages`. What is built is compared with the repository and stays in
`dist/`, to be published. With nothing beside it, with each extra and with all of them,
every module is imported; what needs an extra that is missing has to say so. With
nothing beside it, a new project is made and used. With the lowest versions of all that
it depends on, the faster half of the tests is run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from itertools import chain, combinations
from pathlib import Path

from tests.commands import run, say
from tests.packaging.contents import check_contents

ROOT = Path(__file__).resolve().parents[2]
UV = str(Path(sys.executable).with_name("uv"))
"""Of the development dependencies; in the folder of this Python."""
MYPY = str(Path(sys.executable).with_name("mypy"))
DIST = ROOT / "dist"
TWINE = "twine>=7,<8"

TYPED = """
from mcp_django import Server

server: Server = Server("shop")


@server.tool
def count(first: int) -> int:
    return first
"""
"""What a type checker finds right if it sees the package's types."""

LOWEST_TESTS = (
    "tests/auth",
    "tests/bridge",
    "tests/client",
    "tests/management",
    "tests/protocol",
    "tests/server",
    "tests/sessions",
    "tests/testing",
    "tests/tokens",
)
"""What shows most in a short time; transports' texts are partly their libraries'."""

# Old pydantic looks at lazy texts of models when it makes their schemas. They are shown
# in every language all the same, but need Django to be ready.
NOT_LOWEST = (
    "tests/server/test_languages.py::"
    "test_no_text_is_translated_while_features_are_registered"
)


def main() -> None:
    """Do all, and exit 1 at the first thing that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="no lowest versions, no single extras"
    )
    is_quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        wheel = build(directory / "dist")
        extras = sorted(_project()["optional-dependencies"])
        for chosen in [(), extras] if is_quick else _subsets(extras):
            import_everything(directory, wheel, chosen)
        use(directory / "site", _environment_of(directory, ()))
        if not is_quick:
            test_lowest(directory, wheel, extras)
        shutil.rmtree(DIST, ignore_errors=True)
        shutil.copytree(directory / "dist", DIST)
    say(f"What was built is in {DIST.relative_to(ROOT)}/")


def build(folder: Path) -> Path:
    """Make an sdist, a wheel of that, look into both, and give the wheel's path."""
    say("Build, and compare with the repository")
    _uv("build", str(ROOT), "--out-dir", str(folder))
    [sdist] = folder.glob("*.tar.gz")
    [wheel] = folder.glob("*.whl")
    twine = [UV, "tool", "run", "--quiet", TWINE]
    run([*twine, "check", "--strict", str(sdist), str(wheel)], ROOT)
    check_contents(sdist, wheel)
    return wheel


def import_everything(directory: Path, wheel: Path, extras: Sequence[str]) -> None:
    """Import all modules where only some extras are installed."""
    target = _requirement(wheel, extras)
    say(f"Import every module of {target.rpartition('/')[2]}")
    python = _make_environment(_environment_of(directory, extras))
    _uv("pip", "install", "--python", python, target)
    _uv("pip", "check", "--python", python)
    script = directory / "import_everything.py"
    shutil.copy(Path(__file__).with_name("import_everything.py"), script)
    run([python, str(script), *extras], directory)


def use(directory: Path, environment: Path) -> None:
    """Make a project where nothing else is installed, and use it."""
    say("Make a project, and use it")
    python = str(environment / "bin" / "python")
    directory.mkdir()
    script = shutil.copy(Path(__file__).with_name("new_site.py"), directory.parent)
    run([python, str(script)], directory)
    (directory / "typed.py").write_text(TYPED)
    options = ["--strict", "--python-executable", python, "--no-error-summary"]
    run([MYPY, *options, "--cache-dir", os.devnull, "typed.py"], directory)


def test_lowest(directory: Path, wheel: Path, extras: Sequence[str]) -> None:
    """Run tests with the lowest versions of the direct dependencies."""
    say("Test with the lowest versions")
    lowest = directory / "lowest.txt"
    python = _make_environment(directory / "lowest")
    _uv(
        *("pip", "compile", str(ROOT / "pyproject.toml"), "--all-extras"),
        *("--resolution", "lowest-direct", "--python", python),
        *("--no-header", "--no-annotate", "--output-file", str(lowest)),
    )
    _uv(
        *("pip", "install", "--python", python, "--constraint", str(lowest)),
        *("--group", f"{ROOT / 'pyproject.toml'}:test", _requirement(wheel, extras)),
    )
    # Not beside the package's source, so that what was installed is tested.
    site = directory / "site"
    for name in ("tests", "demo_project", "docs"):
        shutil.copytree(
            ROOT / name, site / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "manage.py", "README.md"):
        shutil.copy(ROOT / name, site)
    # What old versions warn of is not ours to mend.
    options = ["-q", "-W", "default", "-p", "no:cacheprovider", "-m", "not live"]
    options += ["--deselect", NOT_LOWEST]
    run([python, "-m", "pytest", *options, *LOWEST_TESTS], site)


def _project() -> dict[str, dict[str, list[str]]]:
    text = (ROOT / "pyproject.toml").read_text()
    project: dict[str, dict[str, list[str]]] = tomllib.loads(text)["project"]
    return project


def _subsets(extras: Sequence[str]) -> list[Sequence[str]]:
    """Give none of the extras, each one, and all."""
    return [*chain(*(combinations(extras, size) for size in (0, 1))), extras]


def _requirement(wheel: Path, extras: Sequence[str]) -> str:
    return f"{wheel}[{','.join(extras)}]" if extras else str(wheel)


def _environment_of(directory: Path, extras: Sequence[str]) -> Path:
    return directory / "-".join(["with", *extras])


def _make_environment(path: Path) -> str:
    _uv("venv", "--python", sys.executable, str(path))
    return str(path / "bin" / "python")


def _uv(*arguments: str) -> None:
    run([UV, *arguments, "--quiet"], Path.cwd())


if __name__ == "__main__":
    main()
