"""An app that hears of each request, as a site's own statistics would."""
