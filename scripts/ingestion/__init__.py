"""A load for the backend's receiver, and what it makes of it."""
