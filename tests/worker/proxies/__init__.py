"""An app with proxies of users and tokens."""
