"""What a simulated device is fitted with: its config, as an installer would have written it."""

from functools import cache

from edge.config import Config
from edge.config_sections import DeviceSection, MqttSection

from .plan import QUEUE_ID, Plan

_NAMES = {"door": "大门", "side": "侧门", "yard": "院门", "stairs": "楼梯口", "lift": "电梯口"}
_QUEUE = {
    "id": QUEUE_ID,
    "name": "等候区",
    "kind": "queue",
    "polygon": [[0.05, 0.6], [0.35, 0.6], [0.35, 0.95], [0.05, 0.95]],
}


def config_of(broker: MqttSection, tenant: str, interval_min: int, plan: Plan) -> Config:
    """Return the config of one device."""
    of_device = DeviceSection(
        tenant=tenant, id=plan.dev, name=f"{plan.index} 号党群服务中心", time_zone=plan.zone
    )
    shape = _shape(broker, interval_min, plan.lines, plan.has_queue)
    return shape.model_copy(update={"device": of_device})


@cache
def hash_of(broker: MqttSection, interval_min: int, lines: tuple[str, ...], queue: bool) -> str:
    """Return the hash that all configs of this shape have; thousands of devices share a few."""
    return _shape(broker, interval_min, lines, queue).hash()


@cache
def _shape(broker: MqttSection, interval_min: int, lines: tuple[str, ...], queue: bool) -> Config:
    drawn = [
        {
            "id": line,
            "name": _NAMES.get(line, line),
            "in": "down",
            "points": [[0.2, 0.1 + 0.1 * n], [0.8, 0.1 + 0.1 * n]],
        }
        for n, line in enumerate(lines)
    ]
    return Config.model_validate({
        "device": {"tenant": "t", "id": "d"},
        "camera": {"source": "/dev/video0"},
        "lines": drawn,
        "zones": [_QUEUE] if queue else [],
        "records": {"interval_min": interval_min},
        "mqtt": broker.model_dump(),
    })  # fmt: skip
