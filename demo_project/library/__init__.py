"""The library: books, their copies, and who borrowed them."""
