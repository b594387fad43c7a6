"""Check the console's JavaScript: its types, which `make check` does, and its tests.

`python -m tests.javascript` has TypeScript read the modules with the types in their
comments, and is silent when all is well. `python -m tests.javascript test` runs the
tests in `tests/pages/javascript`, in Node.js with the DOM of jsdom.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.live.node import has_npm, node, npm_packages

PACKAGES = {"typescript": "7.0.2", "jsdom": "31.0.1", "axe-core": "4.14.1"}
ROOT = Path(__file__).parents[1]
CONSOLE = ROOT / "mcp_django/pages/static/mcp_django/console"
TESTS = ROOT / "tests/pages/javascript"


def check_types() -> subprocess.CompletedProcess[str]:
    """Have the types checked; what is wrong is in `stdout`."""
    compiler = packages() / "typescript" / "bin" / "tsc"
    return _run(str(compiler), "--project", str(TESTS / "tsconfig.json"))


def run_tests(*names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of the named files, or all.

    Args:
        names: Files in the folder of the tests.
        environment: More for the tests to know.
    """
    files = [TESTS / name for name in names] or sorted(TESTS.glob("**/*.test.js"))
    return _run(
        # There is no package.json to say that these are modules.
        "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON",
        *("--test", "--test-reporter=spec"),
        *map(str, files),
        environment=environment,
    )


def packages() -> Path:
    """Give the `node_modules` that has the packages."""
    return npm_packages("console", PACKAGES) / "node_modules"


def _run(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node(), *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {}), "NODE_PACKAGES": str(packages())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def main() -> None:
    """Do what the command line says; exit 1 when something is wrong."""
    if not has_npm() and not os.environ.get("CI"):
        sys.stderr.write("The console's types are not checked: npm is not installed.\n")
        return
    match sys.argv[1:]:
        case ["test", *names]:
            done = run_tests(*names)
            sys.stdout.write(done.stdout)
        case _:
            done = check_types()
            sys.stdout.write(done.stdout)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
