"""`lobbycount support-bundle`: collect → redact → pack → scan what was packed → write.

It is made for when things are broken, so that a part that cannot be had is named in the manifest
and the rest goes on. It is never made when the scan finds a picture or a secret in it.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.adapters.bundle_file import pack, unpack, write_whole
from edge.bundle_manifest import Contents, manifest
from edge.bundle_scan import found_in
from edge.errors import BundleError, LobbyCountError
from edge.redaction import Redactor, Secret, can_be_searched
from edge.support_parts import PARTS, RECORDS, Part, Text
from edge.support_subject import Subject, subject_of

MANIFEST = "MANIFEST.txt"
CUT = "… cut here, only the end was kept · 此处截断，只保留末尾 …\n"
_MOST_TOLD = 20


def make_bundle(
    config: Path,
    out: Path,
    *,
    with_records: bool = False,
    on_part: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Contents]:
    """Write the bundle of a device and return what is in it.

    Raises BundleError when a picture or a secret is in it, naming the part, and when it cannot
    be written; then there is no file.
    """
    subject = subject_of(config)
    secrets = subject.secrets()
    redactor = subject.redactor(secrets)
    wanted = [*PARTS, *((RECORDS,) if with_records else ())]
    texts: dict[str, str] = {}
    contents: list[Contents] = []
    for done, part in enumerate(wanted):
        on_part(done, len(wanted))
        text, trouble = _collected(part, subject, redactor)
        texts[part.name] = text
        contents.append(Contents(part.name, part.zh, part.en, len(text.encode()), trouble))
    short = len({each.value for each in secrets if not can_be_searched(each.value)})
    made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    told = manifest(subject.dev, made_at, contents, records=with_records, short=short)
    content = pack({MANIFEST: redactor.text(told), **texts})
    refuse_what_must_stay(content, secrets)
    write_whole(out, content)
    return contents


def refuse_what_must_stay(content: bytes, secrets: Sequence[Secret]) -> None:
    """Look at a finished archive. Raises BundleError naming the parts that must not leave."""
    found = found_in(unpack(content), secrets)
    if found:
        raise BundleError(
            "the bundle was not written, because there would have been in it\n"
            + "\n".join(f"  {each}" for each in found[:_MOST_TOLD])
            + "\n未生成诊断包：其中含有不应外传的内容（见上）。"
            "\nTell the developers only the lines above; the secrets themselves are not in them."
        )


def _collected(part: Part, subject: Subject, redactor: Redactor) -> tuple[str, str | None]:
    """Return a part's text and why it is not whole, both without secrets."""
    try:
        found = part.collect(subject)
    except LobbyCountError as error:
        found = Text("", str(error))
    except Exception as error:  # whatever is broken here is what the bundle is for
        found = Text("", f"{type(error).__name__}: {error}")
    text, trouble = redactor.text(found.text), found.trouble and redactor.text(found.trouble)
    if len(text.encode()) > part.most_bytes:
        kept = text.encode()[-part.most_bytes :].decode("utf-8", "ignore")
        text, trouble = CUT + kept, trouble or f"only its last {part.most_bytes} bytes are here"
    return (text or f"{trouble}\n"), trouble
