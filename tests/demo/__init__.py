"""The demo project, as somebody who tries it sees it."""
