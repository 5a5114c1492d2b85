"""What scripts/image is made of: shell for building, Python for holding things together."""
