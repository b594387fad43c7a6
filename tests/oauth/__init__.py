"""OAuth: the resource server, and the authorization server."""
