"""Client programs of others that log in with OAuth, each with its own code for it.

Each is told line by line what to do, in JSON, and says in JSON what came of it::

    python sdk.py URL
    < {"open": "http://site/oauth/authorize?..."}    the user shall go there
    > {"call": "search_books", "arguments": {"query": "sea"}}
    < {"text": "..."}                                or {"error": "..."}
    > {"expire": true}                               take the access token for expired
"""
