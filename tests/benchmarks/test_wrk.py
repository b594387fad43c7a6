"""What `wrk` has written."""

from __future__ import annotations

from benchmarks.wrk import Load, parse

OUTPUT = """\
Running 3s test @ http://127.0.0.1:8000/mcp
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    13.00ms   10.68ms 108.41ms   95.21%
    Req/Sec     2.61k   466.64     3.02k    75.00%
  7842 requests in 3.00s, 1.92MB read
Requests/sec:   2613.72

{"requests":7842,"seconds":3.000321,"p50_ms":11.2410,"p99_ms":70.1230,"failed":3}
"""


def test_line_of_the_script_is_read() -> None:
    """Chosen: what wrk prints for people, with its changing units, is left alone."""
    assert parse(OUTPUT) == Load(
        requests=7842, seconds=3.000321, p50_ms=11.241, p99_ms=70.123, failed=3
    )
