"""The device as Home Assistant sees it: one retained discovery message, made of what it sends.

Device-based MQTT discovery (Home Assistant 2024.11 and later): `homeassistant/device/{dev}/config`
holds a device, its origin, shared options and its components; an empty retained message on
the same topic takes all of it back. Fields and rules: the documentation of the integrations
`mqtt` and `sensor.mqtt` on home-assistant.io.

Nothing else is published for it: the sensors read `counts`, `health` and `status`.
"""

from collections.abc import Mapping, Sequence

from edge.messages import checked_name, topic
from edge.sealing import canonical
from edge.vocabulary import Line, Message

_ONLINE = "{{ 'online' if value_json.state == 'online' else 'offline' }}"
# Of a batch only the last record of the line counts, because totals are cumulative; a batch
# without the line renders to nothing, which a numeric sensor ignores. A total that falls
# would be taken for a new meter and be counted twice: it is believed of a recent record (the
# stream began anew), and not of an old one, which is an old batch sent again.
_TOTAL = (
    "{{% for r in (value_json.records | selectattr('line', 'defined')"
    " | selectattr('line', 'eq', '{line}') | list)[-1:]"
    " if r.{field} >= this.state | float(0)"
    " or now().timestamp() - as_timestamp(r.t1) < {recent_s} %}}{{{{ r.{field} }}}}{{% endfor %}}"
)
_RECENT_INTERVALS = 2
_LONGEST_STATE = 255
"""Characters; Home Assistant takes no longer state."""

_GAUGES: Mapping[str, tuple[str, str, dict[str, str]]] = {
    "queue": (
        "待上报 records waiting",
        "{{ value_json.queue }}",
        {"state_class": "measurement", "icon": "mdi:tray-full"},
    ),
    "video": ("画面 video", "{{ value_json.video or 'ok' }}", {"icon": "mdi:cctv"}),
    "fps": (
        "帧率 pictures a second",
        "{{ value_json.fps }}",
        {"state_class": "measurement", "unit_of_measurement": "fps", "icon": "mdi:speedometer"},
    ),
    "temperature": (
        "温度 temperature",
        "{{ value_json.temperature_c }}",
        {
            "device_class": "temperature",
            "state_class": "measurement",
            "unit_of_measurement": "°C",
        },
    ),
    "memory": (
        "内存 memory",
        "{{ value_json.memory_mb }}",
        {"device_class": "data_size", "state_class": "measurement", "unit_of_measurement": "MB"},
    ),
    "disk-free": (
        "可用磁盘 free disk",
        "{{ value_json.disk_free_mb }}",
        {"device_class": "data_size", "state_class": "measurement", "unit_of_measurement": "MB"},
    ),
    "last-accepted": (
        "最近上报 last delivery",
        "{{ value_json.last_accepted_at }}",
        {"device_class": "timestamp"},
    ),
    "problem": (
        "问题 problem",
        f"{{{{ (value_json.last_error or 'ok')[:{_LONGEST_STATE}] }}}}",
        {"icon": "mdi:alert-circle-outline"},
    ),
}


def discovery_topic(dev: str) -> str:
    """Return the topic of a device's discovery message."""
    return f"homeassistant/device/{checked_name(dev, 'dev')}/config"


def discovery_message(
    tenant: str,
    dev: str,
    *,
    name: str,
    lines: Sequence[Line],
    interval_s: int,
    software: str,
) -> Message:
    """Return what makes the device appear: two totals per line, and its health as diagnostics.

    name: of the device, for people; its id where it is empty.
    interval_s: of the records. Raises ValueError for an id of a line that is not a name.
    """
    components: dict[str, object] = {}
    for line in lines:
        checked_name(line.id, "line")  # it stands in a template
        for way, field, word in (("in", "tot_in", "进 in"), ("out", "tot_out", "出 out")):
            recent_s = _RECENT_INTERVALS * interval_s
            whose = " 员工 staff" if line.is_staff else ""
            components[f"{line.id}-{way}"] = {
                "platform": "sensor",
                "unique_id": f"lobbycount_{tenant}_{dev}_{line.id}_{way}",
                "name": f"{line.name or line.id} {word}{whose}",
                "state_topic": topic(tenant, dev, "counts"),
                "value_template": _TOTAL.format(line=line.id, field=field, recent_s=recent_s),
                "state_class": "total_increasing",
                "unit_of_measurement": "人次",
                "icon": "mdi:location-enter" if way == "in" else "mdi:location-exit",
            }
    for gauge, (label, template, options) in _GAUGES.items():
        components[f"health-{gauge}"] = {
            "platform": "sensor",
            "unique_id": f"lobbycount_{tenant}_{dev}_health_{gauge}",
            "name": label,
            "state_topic": topic(tenant, dev, "health"),
            "value_template": template,
            "entity_category": "diagnostic",
            **options,
        }
    payload = {
        "device": {
            "identifiers": [f"lobbycount_{tenant}_{dev}"],
            "name": name or dev,
            "manufacturer": "lobbycount",
            "model": "anonymous people counter",
            "sw_version": software,
        },
        "origin": {"name": "lobbycount", "sw_version": software},
        "availability_topic": topic(tenant, dev, "status"),
        "availability_template": _ONLINE,
        "qos": 1,
        "components": components,
    }
    return Message(discovery_topic(dev), canonical(payload).encode(), qos=1, retain=True)


def removal_message(dev: str) -> Message:
    """Return what makes the device and its sensors disappear from Home Assistant."""
    return Message(discovery_topic(dev), b"", qos=1, retain=True)
