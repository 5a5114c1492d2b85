"""What other systems are answered: JSON with the reason in both languages and an example."""

import json

from starlette.responses import JSONResponse

from evaluation.pages.refusal import Refusal
from evaluation.register_messages import COLUMNS, example_of

ROOT = "/reg/"
"""Under it no page is, and no cookie or form counts; only a token does."""
PATH = "/reg/v1/{tenant}/{site}/{kind}"
_EXAMPLES = {
    401: "Authorization: Bearer kiosk.2Hq…",
    403: "evaluation token add kiosk-2 --tenant heping-street --site site-001 --kind ratings",
    404: "POST /reg/v1/heping-street/site-001/ratings",
    405: "POST /reg/v1/heping-street/site-001/ratings",
    415: "Content-Type: application/json",
    421: "evaluation serve --name evaluation.example",
}
_OF_TABLES = "text/csv"


def is_of_systems(path: str) -> bool:
    """Whether a path is for other systems, not for people."""
    return path.startswith(ROOT)


def refused(refusal: Refusal, kind: str = "", content: str = "") -> JSONResponse:
    """Return the answer. kind: of the register; content: the type of what was sent."""
    said = refusal.en if refusal.en == refusal.zh else f"{refusal.en} {refusal.zh}"
    example: object = _EXAMPLES.get(refusal.status_code)
    if example is None:
        kind = kind if kind in COLUMNS else "ratings"
        example = _table(kind) if content == _OF_TABLES else json.loads(example_of(kind))
    return JSONResponse(
        {"error": said, "example": example}, refusal.status_code, headers=refusal.headers
    )


def _table(kind: str) -> str:
    names = ",".join(each.name for each in COLUMNS[kind])
    return f"{names}\n{','.join(each.example for each in COLUMNS[kind])}\n"
