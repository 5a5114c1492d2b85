"""Parts of `scripts/bench view`."""
