"""Tags for templates of pages: `mcp_pages`."""
