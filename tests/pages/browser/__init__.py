"""Pages in a real browser, which speaks to a real Daphne."""
