"""The page's own files, read once: what is not in this table cannot be asked for."""

from pathlib import Path

from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


def load_static() -> dict[str, Response]:
    """Return the answers by path below the folder, `/` between parts; no links are followed."""
    return {
        path.relative_to(FOLDER).as_posix(): Response(
            path.read_bytes(), headers={"content-type": TYPES[path.suffix]}
        )
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in TYPES and path.is_file() and not path.is_symlink()
    }
