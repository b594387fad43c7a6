"""Registers programs for each line that comes, and writes what it was answered.

A line is a JSON object: `count` of programs; `name` of theirs, with "{}" for a number;
`seconds` for which no unused client is forgotten. Written are status and client id of
each answer, as JSON in one line.
"""

import json
import os
import sys

import django


def main() -> None:
    """Do what the lines say."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.cluster.registering.settings"
    django.setup()
    from django.db import connection
    from django.test import Client

    from tests.cluster.registering.policy import Few

    connection.ensure_connection()
    write("ready")
    for line in sys.stdin:
        asked = json.loads(line)
        Few.unused_client_seconds = asked["seconds"]
        answers = []
        for number in range(asked["count"]):
            response = Client(raise_request_exception=False).post(
                "/oauth/register",
                {
                    "client_name": asked["name"].format(number),
                    "redirect_uris": ["https://app.example/callback"],
                    "token_endpoint_auth_method": "none",
                },
                content_type="application/json",
            )
            told = response.json() if response.status_code < 500 else {}
            answers.append([response.status_code, told.get("client_id")])
        write(json.dumps(answers))


def write(line: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
