"""Python interpreters with packages that ours has not, or has in another release."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

SDK_1 = "mcp>=1.30,<2"
FASTMCP = "fastmcp==4.2.3"


def python_with_sdk_1() -> str:
    """Give an interpreter that has the official SDK's 1.x release."""
    return _python_with(SDK_1)


def python_with_sdk_2() -> str:
    """Give an interpreter that has the official SDK's 2.x release: our own."""
    return sys.executable


def python_with_fastmcp() -> str:
    """Give an interpreter that has FastMCP."""
    return _python_with(FASTMCP)


@cache
def _python_with(requirement: str) -> str:
    """Give an interpreter that has a package.

    It lives in a virtual environment outside the project, which is made once for each
    version of Python and requirement.
    """
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    package = re.sub(r"[^a-z0-9.]+", "-", requirement.partition(",")[0])
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_home / "mcp_django" / f"{package}-python-{version}"
    python = folder / "bin" / "python"
    installed = folder / "installed"
    if not installed.exists():
        make = [sys.executable, "-m", "venv", "--clear", str(folder)]
        subprocess.run(make, check=True, timeout=120)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", requirement], check=True, timeout=300)
        installed.touch()
    return str(python)
