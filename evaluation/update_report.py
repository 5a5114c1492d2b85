"""How a rollout stands, for the terminal and for programs."""

from typing import Any

from rich.table import Table

from evaluation.rollout import Device, Rollout

_SHOWN_STATES = {
    "running": "进行中 running",
    "stopped": "已停止 stopped",
    "done": "已完成 done",
    "withdrawn": "已撤回 withdrawn",
}


def sentence(rollout: Rollout) -> str:
    """Say in two lines how it stands, Chinese first."""
    plan, stage = rollout.plan, rollout.stage + 1
    version, stages = plan.wanted.version, len(plan.stages)
    runs = len(rollout.invited) - len(rollout.missing)
    if rollout.state == "stopped" and rollout.failed is not None:
        said = rollout.said[rollout.failed]
        return (
            f"{version}：在 {rollout.failed} 上失败（{said.state}：{said.zh}），已停止，"
            f"其余设备不再更新。请修复后用新的更新包重新发布。\n"
            f"{version}: failed on {rollout.failed} ({said.state}: {said.en}); stopped, nobody"
            " else is asked. Correct it and offer another bundle."
        )
    return (
        f"{version}：{_SHOWN_STATES[rollout.state].split()[0]}，第 {stage}/{stages} 批，"
        f"{runs}/{len(rollout.invited)} 台已运行该版本，共 {len(plan.devices)} 台。\n"
        f"{version}: {rollout.state}, stage {stage} of {stages}; {runs} of {len(rollout.invited)}"
        f" devices run it, of {len(plan.devices)} in all."
    )


def table(rollout: Rollout) -> Table:
    """Return one row for each device, in the order they are asked."""
    found = Table("设备 device", "批 stage", "版本 version", "状态 state", "%", "说明 why")
    for number, device in enumerate(rollout.plan.devices):
        said = rollout.said.get(device)
        share = f"{100 * said.had // said.size}" if said and said.size else ""
        words = f"{said.zh} {said.en}" if said else "还没有消息 nothing heard"
        found.add_row(
            str(device), str(_stage_of(rollout, number)), said.version if said else "",
            _state(rollout, device), share, words,
        )  # fmt: skip
    return found


def fields(rollout: Rollout) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "version": rollout.plan.wanted.version,
        "bundle": rollout.plan.wanted.bundle,
        "state": rollout.state,
        "stage": rollout.stage + 1,
        "stages": list(rollout.plan.stages),
        "failed": str(rollout.failed) if rollout.failed else None,
        "devices": {
            str(device): {
                "stage": _stage_of(rollout, number),
                "state": _state(rollout, device),
                "reason": rollout.said[device].reason if device in rollout.said else None,
            }
            for number, device in enumerate(rollout.plan.devices)
        },
    }


def _stage_of(rollout: Rollout, number: int) -> int:
    return 1 + next(k for k, upto in enumerate(rollout.plan.stages) if number < upto)


def _state(rollout: Rollout, device: Device) -> str:
    if device in rollout.applied:
        return "applied"
    if device not in rollout.invited:
        return "later"
    said = rollout.said.get(device)
    is_of_this = said is not None and said.bundle == rollout.plan.wanted.bundle
    return said.state if said is not None and is_of_this else "asked"
