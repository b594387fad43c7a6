"""What programs that run others have in common: `make packages`, `make test-matrix`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def run(command: Sequence[str], directory: Path) -> None:
    """Run a command, and end with it if it fails."""
    status = subprocess.run(command, cwd=directory, check=False).returncode
    if status:
        sys.exit(f"{' '.join(command)} ended with {status}")


def say(text: str) -> None:
    """Say at once what comes next."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
