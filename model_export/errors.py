"""What the export raises on purpose; the message is for the person at the keyboard."""


class ExportError(Exception):
    """Something given cannot be exported: place, reason, and what works instead."""
