"""What `lobbycount doctor speed` says: a table, a recommendation, or JSON."""

from dataclasses import asdict, dataclass

from rich.table import Table

from edge.adapters.board import BoardState
from edge.speed_advice import HEADROOM, RATES, Advice, Timing, is_disturbed


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """What was measured. input_size: width and height of the network's input, in pixels."""

    board: str
    cores: int
    input_size: tuple[int, int]
    before: BoardState
    after: BoardState
    took_s: float
    timings: tuple[Timing, ...]
    advice: Advice | None


def speed_table(report: SpeedReport) -> Table:
    """Every way that was tried, the recommended one marked."""
    width, height = report.input_size
    table = Table(title=f"{width} × {height}", title_justify="left")
    table.add_column("模型\nmodel", no_wrap=True)
    table.add_column("后端\nprovider", no_wrap=True)
    for head in ("线程\nthreads", "毫秒\nms", "CPU\nms", "张/秒\nfps"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("人\npeople", no_wrap=True)
    chosen = report.advice.timing if report.advice else None
    for item in report.timings:
        table.add_row(
            item.model,
            item.provider,
            str(item.threads),
            _number(item.wall_ms),
            _number(item.cpu_ms),
            str(item.fps or "-"),
            _verdict(item),
            style="bold green" if item == chosen else None,
        )
    return table


def speed_text(report: SpeedReport) -> list[str]:
    """Say in words what the board is like and what to write into the config."""
    told = [
        f"{report.board}; 可用核心 cores: {report.cores}",
        f"温度 temperature: {_heat(report.before)} → {_heat(report.after)},"
        f" 频率 clock: {_clock(report.before)} → {_clock(report.after)}",
    ]
    told += dict.fromkeys(
        f"{item.model}, {item.provider}: {item.trouble}" for item in report.timings if item.trouble
    )
    slowed = report.after.slowed_by or report.before.slowed_by
    if slowed:
        told.append(
            f"板子降速，数字偏慢；请检查散热和电源后再测。 The board is slowed down:"
            f" {', '.join(slowed)}. Look after cooling and power, then measure again."
        )
    if is_disturbed(report.timings):
        told.append(
            "测量时有别的程序在运行，数字偏慢；请先停止计数服务再测。 Something else ran on this"
            " board meanwhile, so the times are too long: stop the service, then measure again."
        )
    told.append(
        "摄像机解码不在其中：请用 360p 子码流。"
        " The camera's decoding is not in these times: use its 360p sub-stream."
    )
    return [*told, _recommendation(report)]


def speed_yaml(advice: Advice) -> str:
    """Return what to paste into the config."""
    item = advice.timing
    return (
        f"camera:\n  fps: {advice.fps}\n"
        f"model:\n  name: {item.model}\n  threads: {item.threads}\n  provider: {item.provider}\n"
    )


def speed_json(report: SpeedReport) -> dict[str, object]:
    """Return everything for programs; `advice` is null when nothing is fast enough."""
    advice = report.advice
    return {
        **asdict(report),
        "disturbed": is_disturbed(report.timings),
        "timings": [asdict(item) | {"fps": item.fps} for item in report.timings],
        "advice": advice
        and {
            "fps": advice.fps,
            "name": advice.timing.model,
            "threads": advice.timing.threads,
            "provider": advice.timing.provider,
            "cores": round(advice.cores, 3),
        },
    }


def _recommendation(report: SpeedReport) -> str:
    advice = report.advice
    if advice is None:
        return (
            f"没有一种方式能达到每秒 {RATES[-1]} 张：请换更快的板子，或用 camera.person_height"
            f" 缩小查看范围。 Nothing that finds the right people keeps {RATES[-1]} pictures a"
            " second: take a faster board, or look at less with camera.person_height."
        )
    item = advice.timing
    return (
        f"建议：每秒 {advice.fps} 张，{item.provider}，{item.threads} 线程，约占 {advice.cores:.2f}"
        f" 个核心。 Recommended: {advice.fps} pictures a second with {item.model} on"
        f" {item.provider}, {item.threads} thread(s): {advice.cores:.2f} cores busy while people"
        f" move, {HEADROOM:.0%} of the time kept free."
    )


def _verdict(item: Timing) -> str:
    if item.trouble is None:
        return "同 same"
    return "异 other" if item.wall_ms is not None else "未测 -"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _heat(state: BoardState) -> str:
    return "-" if state.temperature_c is None else f"{state.temperature_c:.0f} °C"


def _clock(state: BoardState) -> str:
    return "-" if state.mhz is None else f"{state.mhz} MHz"
