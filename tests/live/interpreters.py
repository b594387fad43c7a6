"""Python interpreters with one or the other release of the official SDK."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

SDK_1 = "mcp>=1.30,<2"


@cache
def python_with_sdk_1() -> str:
    """Give an interpreter that has the SDK's 1.x release.

    It lives in a virtual environment outside the project, which is made once for each
    version of Python and requirement.
    """
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_home / "mcp_django" / f"mcp-1.30-python-{version}"
    python = folder / "bin" / "python"
    installed = folder / "installed"
    if not installed.exists():
        make = [sys.executable, "-m", "venv", "--clear", str(folder)]
        subprocess.run(make, check=True, timeout=120)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", SDK_1], check=True, timeout=300)
        installed.touch()
    return str(python)


def python_with_sdk_2() -> str:
    """Give an interpreter that has the SDK's 2.x release: our own."""
    return sys.executable
