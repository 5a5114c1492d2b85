"""Write docs/topics.md, config/asyncapi.yaml and the promises in docs/privacy.md anew.

They are made of config/topics.toml, config/schemas and tests/contract/golden, the promises of
edge/privacy_promises.py, and never edited by hand; a test fails when they are stale.
"""

import privacy_document
import topics_asyncapi
import topics_markdown
from topics_table import ROOT, load

DOCUMENT = ROOT / "docs" / "topics.md"
ASYNCAPI = ROOT / "config" / "asyncapi.yaml"


def main() -> None:
    topics = load()
    document = privacy_document.DOCUMENT
    promises = privacy_document.render(document.read_text(encoding="utf-8"))
    for path, text in (
        (document, promises),
        (DOCUMENT, topics_markdown.render(topics)),
        (ASYNCAPI, topics_asyncapi.render(topics)),
    ):
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
