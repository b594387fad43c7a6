"""Registers programs when a line comes, and writes what it was answered, as JSON.

Arguments: how many programs; names of theirs, with "{}" for a number.
"""

import json
import os
import sys

import django


def main(count: int, name: str) -> None:
    """Register them."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.cluster.registering.settings"
    django.setup()
    from django.db import connection
    from django.test import Client

    connection.ensure_connection()
    sys.stdout.write("ready\n")
    sys.stdin.readline()
    answers = []
    for number in range(count):
        response = Client(raise_request_exception=False).post(
            "/oauth/register",
            {
                "client_name": name.format(number),
                "redirect_uris": ["https://app.example/callback"],
                "token_endpoint_auth_method": "none",
            },
            content_type="application/json",
        )
        told = response.json() if response.status_code < 500 else {}
        answers.append([response.status_code, told.get("client_id")])
    sys.stdout.write(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
