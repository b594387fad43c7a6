"""A browser of one page: goes to an address, and where that sends it."""

import sys

import httpx2

httpx2.get(sys.argv[1], follow_redirects=True, trust_env=False).raise_for_status()
