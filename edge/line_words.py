"""The words of the line doctor, in Chinese and English: what was seen, and what to do. Pure."""

from collections.abc import Mapping

from edge.line_findings import Code, Finding, Severity
from edge.line_suggestion import Suggestion

_SAID: Mapping[Code, tuple[str, str]] = {
    Code.TOO_LITTLE_SEEN: (
        "看了 {minutes:.1f} 分钟，只看到 {people:.0f} 人在线边走动，至少要 {limit:.0f} 人才能判断。"
        "请在有人进出时再测，或自己来回走过这条线 10 次。",
        "In {minutes:.1f} minutes {people:.0f} people were seen walking at it; {limit:.0f} are"
        " needed. Watch again when people pass, or walk over the line ten times yourself.",
    ),
    Code.NEVER_REACHED: (
        "{people:.0f} 个走动的人里只有 {count:.0f} 人的脚到过这条线，最近的也差 {away:.1f} 个身高。"
        "请把线画在地面上、脚经过的地方，不要画在头或门框的高度。",
        "The feet of {count:.0f} of {people:.0f} people who walked came to it; the nearest stay"
        " {away:.1f} person-heights away. Draw it on the floor, where feet pass, not at the height"
        " of heads or of the door's frame.",
    ),
    Code.NEAR_EDGE: (
        "线边 {people:.0f} 人里有 {count:.0f} 人在画面边缘出现或消失，来不及确认在线的哪一侧。"
        "请把线向画面里移至少一个身高，或转动摄像机。",
        "{count:.0f} of {people:.0f} people at it come into the picture or leave it before both"
        " sides are clear. Move the line at least one person-height into the picture, or turn the"
        " camera.",
    ),
    Code.BREAKS_HERE: (
        "线边 {people:.0f} 人里有 {count:.0f} 人正好在线旁出现或消失：有门、柱子或家具挡住。"
        "请把线移到能看见整个人走过的地方。",
        "{count:.0f} of {people:.0f} people at it appear or vanish right there: a door, a pillar or"
        " furniture hides them. Move the line to where people are seen before and after it.",
    ),
    Code.BREAKS_EVERYWHERE: (
        "线边 {people:.0f} 人里有 {count:.0f} 人在线旁跟丢，画面别处也一样。请检查光线、镜头和"
        "人的大小；移线帮助不大。",
        "{count:.0f} of {people:.0f} people at it are lost there, and no less elsewhere in the"
        " picture. Look after light, lens and how large people are; moving the line helps little.",
    ),
    Code.LENGTHWISE: (
        "走到线上的 {people:.0f} 人里有 {count:.0f} 人顺着线走，而不是走过去。"
        "请把线转到横在人们走的路上。",
        "{count:.0f} of {people:.0f} people who come to it walk along it, not over it. Turn the"
        " line across their way.",
    ),
    Code.ENDS_SHORT: (
        "线边 {people:.0f} 人里有 {count:.0f} 人从线的端点外侧走过，不会被计数。"
        "如果他们也该计数，请把线延长到墙边。",
        "{count:.0f} of {people:.0f} people at it pass outside its ends and are not counted. If"
        " they should be, lengthen the line from wall to wall.",
    ),
    Code.STANDING_ON_LINE: (
        "线边 {people:.0f} 人里有 {count:.0f} 人站在线上 3 秒以上没有走过去。"
        "请把线移到人们不停留的地方。",
        "{count:.0f} of {people:.0f} people at it stand on it for 3 seconds or more without"
        " passing. Move the line to where people do not stop.",
    ),
    Code.TOO_SMALL: (
        "线边 {people:.0f} 人里有 {count:.0f} 人太小：人高中位数是画面长边的 {size:.3f}，"
        "至少要 {needed:.3f}。请把摄像机移近，或填写 camera.person_height 只看线附近。",
        "{count:.0f} of {people:.0f} people at it are too small: {size:.3f} of the picture's longer"
        " side is their median height, {needed:.3f} is needed. Bring the camera closer, or set"
        " camera.person_height so that only what is around the line is looked at.",
    ),
    Code.TOO_STEEP: (
        "人框宽是高的 {measured:.2f} 倍（站着的人约 0.4）：摄像机朝下太陡，或者脚被挡住，"
        "框的底边不是脚。吸顶摄像机请写 counting.anchor: centre；否则请降低角度。",
        "People's boxes are {measured:.2f} times as wide as high (about 0.4 when seen upright): the"
        " camera looks down too steeply or feet are hidden, so the lower edge is not the feet. For"
        " a ceiling camera set counting.anchor: centre; else tilt it less.",
    ),
    Code.TOO_FEW_PICTURES: (
        "每秒只看 {fps:.1f} 张，走得快的人两张之间走 {measured:.2f} 个身高，最多应为 {limit:.2f}。"
        "请把 camera.fps 调到 {needed:.0f} 以上；速度够不够用 lobbycount doctor speed 测。",
        "At {fps:.1f} pictures a second fast walkers come {measured:.2f} person-heights from one to"
        " the next; {limit:.2f} is the most. Set camera.fps to {needed:.0f} or more; `lobbycount"
        " doctor speed` tells whether this board can.",
    ),
    Code.OBSERVED: (
        "这段时间看到进 {in:.0f}、出 {out:.0f}。方向对不对只有在场的人知道；反了就改 in。",
        "Seen meanwhile: {in:.0f} in, {out:.0f} out. Only somebody who was there knows whether that"
        " is the right way round; if not, change `in`.",
    ),
}

_UNSUGGESTED: Mapping[str, tuple[str, str]] = {
    "fine": ("这条线不用改。", "The line needs no change."),
    "too_little_seen": (
        "看到的人太少，没有建议。",
        "Too few people were seen to suggest another line.",
    ),
    "camera": (
        "问题在摄像机，移线没有用。",
        "The camera is the matter; another line would not help.",
    ),
    "none_better": (
        "试过的线里没有明显更好的。",
        "Of the lines that were tried none is clearly better.",
    ),
}
REASONS = tuple(_UNSUGGESTED)


def said(finding: Finding) -> tuple[str, str]:
    """Say a finding in Chinese and in English."""
    values = {"measured": finding.measured, "limit": finding.limit, **finding.figures}
    zh, en = _SAID[finding.code]
    return zh.format(**values), en.format(**values)


def suggested(suggestion: Suggestion) -> tuple[str, str]:
    """Say what a suggestion would bring."""
    s = suggestion
    zh = f"建议的线：走动的 {s.people} 人里 {s.counted} 人能两侧都看清并计数，现在是 {s.now} 人。"
    en = (
        f"Suggested: of {s.people} people who walked, {s.counted} are settled on both sides and"
        f" counted; with the present line {s.now} are."
    )
    if not s.keeps_side:
        zh += "请核对箭头方向是不是进门方向。"
        en += " Look at the arrow: only you know which way is IN."
    return zh, en


def unsuggested(reason: str) -> tuple[str, str]:
    """Say why there is no suggestion; reason: one of REASONS."""
    return _UNSUGGESTED[reason]


def is_bad(findings: tuple[Finding, ...]) -> bool:
    """Whether a line will miscount."""
    return any(finding.severity is Severity.BAD for finding in findings)
