"""A site with `add` among as many tools as the environment variable TOOLS says."""
