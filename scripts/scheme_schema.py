"""Write config/schemas/scheme.schema.json anew: the JSON Schema of a scheme, for editors.

As scripts/config_schema.py does for the config file. What goes together (goals and size classes,
bounds that grow) only `evaluation` tells when it reads the scheme.
"""

import json
from pathlib import Path
from typing import Any

from config_schema import described

from evaluation.scheme_file import SchemeFile

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "config" / "schemas" / "scheme.schema.json"
WORDS = {
    "SchemeFile": ("The scheme of the evaluation.", "评价方案"),
    "SchemeFile.audiences": ("Whom activities are for.", "活动覆盖的人群"),
    "GradesSection": ("Share of the opening time that has to be seen.", "开放时段的观测覆盖率"),
    "CompositeSection": ("When there is a score, and a rank.", "何时有总分和排名"),
    "PlanSection": ("When the plan of a month closes.", "活动计划何时截止"),
    "PlanSection.closes_days_after_begin": (
        "What is received later was not planned.",
        "之后收到的活动不算计划",
    ),
    "SizeClassSection": ("Centres that are compared with each other.", "同一规模的中心"),
    "SizeClassSection.residents_below": ("Fewer residents than this.", "常住人口少于"),
    "IndicatorSection": ("One indicator.", "一项指标"),
    "IndicatorSection.goals": ("For all, or by size class.", "all，或按规模分别填写"),
    "IndicatorSection.source": ("named: in use elsewhere.", "named：别处已有此名称"),
    "GoalSection": ("0 points at the floor, 100 at the target.", "下限 0 分，目标 100 分"),
    "TextSection": ("A name in both languages.", "中英文名称"),
}


def schema() -> dict[str, Any]:
    """Return the schema of the file."""
    return described(SchemeFile, WORDS, "scheme")


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    SCHEMA.write_text(text(), encoding="utf-8")
    print(SCHEMA.relative_to(ROOT))


if __name__ == "__main__":
    main()
