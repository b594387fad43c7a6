"""What the doctor says of the demo, as `make demo` serves it."""

from __future__ import annotations

import anyio

from mcp_django.doctor.doctor import examine
from mcp_django.doctor.findings import Verdict
from mcp_django.doctor.known_clients import KNOWN_CLIENTS
from tests.demo.conftest import Demo


def test_demo_is_well(demo: Demo, site: str) -> None:
    """We promise it: each client comes to its login page, and streams arrive."""
    token = demo.manage("mcp_token", "create", "reader", "--name", "doctor")

    async def visit() -> dict[str, tuple[Verdict, str]]:
        findings = await examine(
            f"{site}/mcp", token=token.split()[-1], registers=True, seconds=30
        )
        return {f.step: (f.verdict, f.says) for f in findings}

    found = anyio.run(visit)
    assert {verdict for verdict, _ in found.values()} == {Verdict.OK, Verdict.NOTE}
    for client in KNOWN_CLIENTS:
        assert found[f"registration as {client.name}"][0] is Verdict.OK
        if not client.is_hosted:
            says = found[client.name][1]
            assert says.startswith(f"would send its user to {site}/oauth/authorize")
    assert found["session"][1] == "'library' speaks '2025-11-25'"
    assert found["stream"][1].startswith("its first bytes came after")
