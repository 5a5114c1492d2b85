"""Write config/schemas/lobby.schema.json anew: the config file's JSON Schema, for editors.

It is made of the models that check the file and of the words below, and never edited by hand; a
test fails when it is stale. What editors cannot know (a line that people walk along, two ids
that are the same) only `lobbycount check` tells.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edge.config import Config

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "config" / "schemas" / "lobby.schema.json"
WORDS = {
    "Config": ("One camera, its counting lines and the broker.", "一台摄像机、计数线和消息服务器"),
    "DeviceSection": ("Who this device is.", "设备身份"),
    "DeviceSection.tenant": ("The street office.", "街道代号"),
    "DeviceSection.id": ("This device, as in its certificate.", "设备编号，与证书一致"),
    "DeviceSection.name": ("For people to read.", "名称"),
    "DeviceSection.time_zone": ("Where windows and hours are meant.", "时段所用的时区"),
    "DeviceSection.clock": ("ntp: dates wait for it; rtc: this clock is right.", "时钟来源"),
    "CameraSection": ("Where pictures come from.", "摄像机"),
    "CameraSection.source": ("rtsp://…, /dev/video0 or a file.", "视频地址"),
    "CameraSection.fps": ("Pictures looked at per second.", "每秒处理的画面数"),
    "CameraSection.person_height": ("Of people at the line, in picture heights.", "线旁人的高度"),
    "CameraSection.masks": ("Areas made black before anything looks.", "隐私遮挡区"),
    "ModelSection": ("Which detector looks.", "检测模型"),
    "LineSection": ("A counting line.", "计数线"),
    "LineSection.id": ("Appears in the records.", "计数线编号"),
    "LineSection.points": ("Where feet pass, in shares of the picture.", "脚经过的位置，画面比例"),
    "LineSection.in": ("Where people who enter move.", "进门方向"),
    "LineSection.audience": ("staff: counted apart from visitors.", "staff：员工通道，单独标记"),
    "ZoneSection": ("A zone of the floor.", "区域"),
    "ZoneSection.polygon": ("Its corners in order.", "按顺序的角点"),
    "ZoneSection.kind": ("queue: time in it is waiting.", "区域种类"),
    "ZoneSection.windows": ("Daily times of an activity zone.", "活动时段"),
    "CountingSection": ("The crossing rule.", "计数规则"),
    "RecordsSection": ("What is kept and published.", "记录"),
    "RecordsSection.interval_min": ("One record per line, zone and interval.", "记录时段（分钟）"),
    "RecordsSection.data_dir": ("One folder per service.", "数据目录，每个服务一个"),
    "MqttSection": ("Where records go.", "消息服务器"),
    "MqttSection.insecure_lab": ("Without TLS, in a lab only.", "不加密，仅限实验室"),
    "TlsSection": ("Certificates.", "证书"),
    "HealthSection": ("Who on this machine may watch it.", "本机监控"),
    "HoursSection": ("When the doors are open; counting never stops.", "开放时间；计数不停"),
    "HoursSection.weekly": ("Hours of each weekday.", "每周开放时间"),
    "HoursSection.closed": ("Days that are closed.", "闭馆日"),
    "HoursSection.special": ("Days with hours of their own.", "特殊日期，如调休上班"),
    "SetupPageSection": ("The device's own page, to draw lines; off by default.", "设置页面"),
    "SetupPageSection.network": (
        "lan: reachable on the local network, by TLS.",
        "lan：局域网可访问",
    ),
    "SetupPageSection.auto_off_min": ("It closes itself after so long.", "自动关闭（分钟）"),
    "SetupPageSection.still": ("A mosaic of the picture, 15 min after a login.", "马赛克静态图"),
    "UpdatesSection": ("New versions over MQTT; off by default.", "远程更新，默认关闭"),
    "UpdatesSection.over_mqtt": ("Signed bundles, over this broker only.", "经消息服务器接收更新"),
    "UpdatesSection.hours": ("When one may come and be installed.", "允许更新的时段"),
    "UpdatesSection.max_mb": ("A larger bundle is refused.", "更新包大小上限（MB）"),
    "UpdatesSection.kb_per_s": ("How fast; records go first.", "下载速度上限（kB/s）"),
    "UpdatesSection.folder": ("Where the installing side waits for it.", "更新包存放目录"),
    "PrivacySection": ("What visitors are told, and who answers for it.", "隐私声明与责任单位"),
}
"""English and Chinese, by model and setting; what is not here has its name and its examples."""


def schema() -> dict[str, Any]:
    """Return the schema of the file."""
    return described(Config, WORDS, "lobby")


def described(
    model: type[BaseModel], words_of: Mapping[str, tuple[str, str]], name: str
) -> dict[str, Any]:
    """Return the schema of a YAML file with what its settings mean; words: by model and setting."""
    made = model.model_json_schema(by_alias=True)
    models = {model.__name__: made, **made["$defs"]}
    for place, words in words_of.items():
        owner, _, setting = place.partition(".")
        node = models[owner]["properties"][setting] if setting else models[owner]
        node["description"] = " ".join(words)
    for each in models.values():
        each.pop("title", None)
        for setting in each.get("properties", {}).values():
            setting.pop("title", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:lobbycount:config:{name}",
        "title": f"{name}.yaml",
        **made,
    }


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    SCHEMA.write_text(text(), encoding="utf-8")
    print(SCHEMA.relative_to(ROOT))


if __name__ == "__main__":
    main()
