"""`python -m demo_project.port PORT`: say at once if a port cannot be had.

The Makefile asks before it migrates and prints addresses where nobody would answer.
"""

import os
import socket
import sys

HIGHEST = 65535


def why_not(text: str) -> str | None:
    """Say why nobody can listen at a port of 127.0.0.1; None if somebody can."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= HIGHEST):
        return f"PORT={text} is no port; give a number from 1 to {HIGHEST}"
    with socket.socket() as listener:
        # As Daphne does: connections that have just ended do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", int(text)))
            listener.listen()
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            return (
                f"port {text} of 127.0.0.1 cannot be had: {reason}; take another one, "
                "such as PORT=8080"
            )
    return None


if __name__ == "__main__":
    sys.exit(why_not(" ".join(sys.argv[1:])))
