"""Random markets, and who attacks them."""
