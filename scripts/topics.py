"""Write docs/topics.md and config/asyncapi.yaml anew.

They are made of config/topics.toml, config/schemas and tests/contract/golden and never
edited by hand; a test fails when they are stale.
"""

import topics_asyncapi
import topics_markdown
from topics_table import ROOT, load

DOCUMENT = ROOT / "docs" / "topics.md"
ASYNCAPI = ROOT / "config" / "asyncapi.yaml"


def main() -> None:
    topics = load()
    for path, text in (
        (DOCUMENT, topics_markdown.render(topics)),
        (ASYNCAPI, topics_asyncapi.render(topics)),
    ):
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
