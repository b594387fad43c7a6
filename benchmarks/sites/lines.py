"""The bare minimum on standard input and output: a loop over lines."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Answer every request as if it added 1 and 2."""
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" in message:
            content = [{"type": "text", "text": "3"}]
            result = {"content": content, "structuredContent": {"result": 3}}
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
