"""What the distribution says of itself, in its metadata and in the upgrade policy."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.matrix.__main__ import PYTHONS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
POLICY = (ROOT / "docs/explanation/upgrades.md").read_text()


def classified(name: str) -> list[str]:
    """Give the versions that classifiers name for something."""
    start = f"{name} :: "
    versions = [each.removeprefix(start) for each in PROJECT["classifiers"]]
    return [version for version in versions if re.fullmatch(r"\d+\.\d+", version)]


def test_policy_names_the_versions_that_the_metadata_have() -> None:
    """Chosen: what is said to be supported is said the same everywhere."""
    rows = re.findall(r"^\| (\d\.\d) \| ([\d., ]+) \|", POLICY, re.MULTILINE)
    pythons = {python for _, found in rows for python in found.split(", ")}

    assert [django for django, _ in rows] == classified("Framework :: Django")
    assert sorted(pythons) == classified("Programming Language :: Python")
    assert PROJECT["requires-python"] == f">={min(pythons)}"


def test_matrix_runs_the_versions_that_the_policy_names() -> None:
    """Chosen: nothing is called supported that no test runs on."""
    rows = re.findall(r"^\| (\d\.\d) \| ([\d., ]+) \|", POLICY, re.MULTILINE)
    named = {(py, django) for django, found in rows for py in found.split(", ")}

    run = {(python, django) for python in PYTHONS for django in PYTHONS[python]}
    assert named <= run
