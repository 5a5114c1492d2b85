"""Every text of the pages, in Chinese and in English."""

from collections.abc import Mapping

LANGUAGES = ("zh", "en")

TEXTS: Mapping[str, tuple[str, str]] = {
    # The frame
    "title": ("党群服务中心评估", "Centre evaluation"),
    "other_language": ("English", "中文"),
    "skip": ("跳到正文", "Skip to the content"),
    "league": ("排行", "League"),
    "month_page": ("月份状态", "Month"),
    "fleet": ("设备", "Devices"),
    "imports": ("导入台账", "Import"),
    "people": ("用户", "Users"),
    "journal": ("操作记录", "Journal"),
    "printed": ("打印月报", "Print report"),
    "my_password": ("修改密码", "Password"),
    "log_in": ("登录", "Log in"),
    "log_out": ("退出", "Log out"),
    "user": ("用户名", "User name"),
    "password": ("密码", "Password"),
    "wrong": ("用户名或密码不正确", "User name or password is wrong"),
    "wait_s": ("尝试次数过多，请 {} 秒后再试", "Too many tries; wait {} s and try again"),
    "show": ("查看", "Show"),
    "month": ("月份", "Month"),
    "tenant": ("街道/区", "Tenant"),
    "back_to_league": ("返回排行", "Back to the league"),
    "site": ("中心", "Centre"),
    "error": ("出错了", "This did not work"),
    "nothing_yet": (
        "这里还没有中心或数据。先导入中心和设备表，再接收记录。",
        "There are no centres or records yet: import the tables of sites and devices first.",
    ),
    # States
    "running": ("进行中", "running"),
    "open": ("等待补传", "open for late data"),
    "in_review": ("核对中", "in review"),
    "frozen": ("已冻结", "frozen"),
    "running_about": (
        "月份还没有结束，数字每天变化。",
        "The month is not over; figures change daily.",
    ),
    "open_about": (
        "补传数据截止到下月 3 日。",
        "Late data is taken until the 3rd of the next month.",
    ),
    "in_review_about": (
        "请核对标记和台账；下月 8 日自动冻结。",
        "Look at flags and registers; it is frozen on the 8th of the next month.",
    ),
    "frozen_about": (
        "数字不再变化；之后只有带编号和原因的修订。",
        "Figures stay; from now on there are only numbered revisions with a reason.",
    ),
    "revision": ("修订 {}", "revision {}"),
    "draft": ("草稿", "draft"),
    "as_of": ("数据截至 {}", "as of {}"),
    "freezes_on": ("{} 冻结", "freezes on {}"),
    "scheme": ("方案", "scheme"),
    "not_final": (
        "这是草稿，不是最终结果。",
        "This is a draft, not a final figure.",
    ),
    "changed_since": (
        "修订 {} 之后数据有变化：",
        "Data has changed since revision {}:",
    ),
    "see_what": ("看有什么不同", "see what differs"),
    # League
    "rank": ("名次", "Rank"),
    "score": ("得分", "Score"),
    "grade": ("可靠程度", "Grade"),
    "trend": ("自身走势", "Own trend"),
    "flags": ("标记", "Flags"),
    "flow": ("人流", "flow"),
    "project": ("项目", "project"),
    "service": ("服务", "service"),
    "residents": ("常住人口", "residents"),
    "below": ("{} 人以下", "under {} residents"),
    "above": ("{} 人以上", "{} residents and more"),
    "centres": ("{} 个中心", "{} centres"),
    "no_class": ("没有登记常住人口", "No registered population"),
    "not_ranked": ("不排名", "not ranked"),
    "tie": ("并列", "tie"),
    "few_in_class": (
        "同类有得分的中心少于 {} 个，不排名。",
        "Fewer than {} scored centres in this class: nobody is ranked.",
    ),
    "how_to_read": (
        "误差范围重叠的中心分不出先后，名次是一个区间。只在同一规模内比较。"
        "斜线表示没有人看到，不是零。",
        "Centres whose ranges overlap cannot be told apart: their rank is a span. Only centres of"
        " one size are compared. Hatched means nobody looked, not zero.",
    ),
    "site_name": ("名称", "Name"),
    "area": ("街道", "Area"),
    "size_class": ("规模", "Size class"),
    "rank_best": ("名次（最好）", "Rank, best"),
    "rank_worst": ("名次（最差）", "Rank, worst"),
    "rank_of": ("参评中心", "Ranked centres"),
    "score_low": ("得分下界", "Score, low"),
    "score_high": ("得分上界", "Score, high"),
    "csv": ("下载表格 (CSV)", "Download table (CSV)"),
    "unanswered": ("{} 个待说明", "{} to be answered"),
    # Site
    "visits_by_hour": ("每周各小时的平均到访", "Mean visits by weekday and hour"),
    "visits_by_day": ("每天到访和观测覆盖率", "Visits and coverage by day"),
    "coverage": ("覆盖率", "coverage"),
    "visits": ("到访人次", "visits"),
    "nobody_looked": ("没有观测", "nobody looked"),
    "closed": ("休息", "closed"),
    "as_table": ("以表格显示", "as a table"),
    "click_for_records": (
        "点击格子或日期，查看对应的原始记录。",
        "Choose a cell or a day to see the records behind it.",
    ),
    "indicators": ("指标", "Indicators"),
    "indicator": ("指标", "Indicator"),
    "value": ("数值", "Value"),
    "range": ("范围", "Range"),
    "points": ("分数", "Points"),
    "floor_target": ("下限 → 目标", "Floor → target"),
    "weight": ("权重", "Weight"),
    "made_of": ("由来", "Made of"),
    "named": ("沿用", "named"),
    "proposed": ("本方案提出", "proposed"),
    "named_about": (
        "沿用：业内已有的指标名；本方案提出：我们的建议。",
        "named: in use elsewhere under this name; proposed: ours.",
    ),
    "open_days": ("开放天数", "open days"),
    "no_flags": ("没有标记。", "No flags."),
    "flags_about": (
        "标记是给人看的问题，不是结论；不会因此删去任何数据。",
        "A flag is a question to a person, not a verdict; nothing is taken away for it.",
    ),
    "whole_month": ("整月", "whole month"),
    "answer": ("说明", "Answer"),
    "answer_hint": ("例如：小学生集体参观", "e.g. a school class visited"),
    "keep_answer": ("保存说明", "Keep answer"),
    "old_answers": ("对已不再出现的标记的说明", "Answers to flags that are not raised any more"),
    "over_months": ("12 个月走势", "Over twelve closed months"),
    "no_trend": ("还没有已冻结的月份。", "There is no closed month yet."),
    "provenance": ("出处", "Where it comes from"),
    "provenance_about": (
        "各设备在本月所用的配置、模型和标定，以及记录数。更换了哈希，就是更换了设置。",
        "Config, model and calibration that the devices counted with this month, and how many"
        " records. Another hash is another setting.",
    ),
    "device": ("设备", "Device"),
    "place": ("位置", "Place"),
    "line_or_zone": ("线或区域", "Line or zone"),
    "config": ("配置", "Config"),
    "model": ("模型", "Model"),
    "calibration": ("标定", "Calibration"),
    "from": ("从", "From"),
    "to": ("到", "To"),
    "records": ("原始记录", "Records"),
    "record_count": ("{} 条记录", "{} records"),
    "too_many": ("只显示前 {} 条。", "Only the first {} are shown."),
    "no_records": ("没有收到这段时间的记录。", "No record of this time was received."),
    "no_device_here": ("这个中心没有登记设备。", "No device is registered at this centre."),
    "records_about": (
        "设备密封的记录，一条一行。空格是没有数到，不是零。链值可用 lobbycount verify 核对。",
        "What the devices sealed, a record a row. An empty cell was not counted, it is no zero."
        " Chain values are checked by lobbycount verify.",
    ),
    "stream": ("流水", "Stream"),
    "number": ("序号", "No."),
    "in": ("进", "In"),
    "out": ("出", "Out"),
    "uturn": ("折返", "U-turns"),
    "in_range": ("进的范围", "In, range"),
    "presence": ("停留（分）", "Presence, min"),
    "used": ("使用（分）", "Used, min"),
    "arrivals": ("到达", "Arrivals"),
    "peak": ("最多", "Peak"),
    "why": ("原因", "Why"),
    "clock": ("时钟", "Clock"),
    "chain": ("链值", "Chain"),
    "all_month": ("整月", "whole month"),
    # Month
    "revisions": ("修订", "Revisions"),
    "made_at": ("时间", "Made"),
    "made_by": ("操作人", "By"),
    "reason": ("原因", "Reason"),
    "by_itself": ("自动冻结", "frozen by itself"),
    "no_revisions": ("还没有冻结。", "Not frozen yet."),
    "compare": ("比较", "Compare"),
    "compare_with": ("与 {} 比较", "compare with {}"),
    "before": ("之前", "Before"),
    "after": ("之后", "After"),
    "what": ("项目", "What"),
    "no_difference": ("没有不同。", "There is no difference."),
    "make_revision": ("作一次修订", "Make a revision"),
    "make_freeze": ("现在冻结", "Freeze now"),
    "revision_about": (
        "按现在的数据固定下来。之前的修订都会保留。",
        "Keeps the figures as they are now. Every earlier revision stays.",
    ),
    "reason_hint": ("例如：评价机数据补传", "e.g. ratings of the kiosk came late"),
    "too_early": ("核对期开始后才能冻结或修订。", "It can be frozen once it is in review."),
    "same_as_last": (
        "数据与最近的修订相同，没有可修订的内容。",
        "Data is the same as in the last revision; there is nothing to revise.",
    ),
    "digest": ("校验值", "Digest"),
    "since": ("从修订", "From"),
    "until": ("到", "to"),
    # Import
    "import_about": (
        "CSV 表格，UTF-8 或 GB18030。同一编号再次导入会替换。有一处错误就不导入任何内容。",
        "A CSV, UTF-8 or GB18030. What has the same id is replaced. One mistake and nothing is"
        " taken over.",
    ),
    "kind": ("种类", "Kind"),
    "file": ("文件", "File"),
    "complete_for": ("该月已登记齐全（可不填）", "There is nothing else in this month (optional)"),
    "take_over": ("导入", "Import"),
    "taken_over": ("已导入 {} 行", "{} rows were taken over"),
    "activities": ("活动", "activities"),
    "ratings": ("评价", "ratings"),
    "cases": ("事项", "cases"),
    "sites": ("中心", "sites"),
    "devices": ("设备", "devices"),
    "days": ("特殊日期", "special days"),
    "columns": ("列", "Columns"),
    "optional": ("可不填", "optional"),
    # Users and journal
    "role": ("角色", "Role"),
    "roles_about": (
        "查看：只看。评定：说明标记、作修订、导入台账。管理：还可管理用户、导入中心和设备。",
        "viewer: looks. evaluator: answers flags, makes revisions, imports registers. admin:"
        " manages users and imports sites and devices too.",
    ),
    "new_user": ("新用户", "New user"),
    "first_password": ("初始密码", "First password"),
    "add": ("添加", "Add"),
    "set": ("保存", "Set"),
    "disable": ("停用", "Disable"),
    "enable": ("启用", "Enable"),
    "disabled": ("已停用", "disabled"),
    "new_password": ("新密码", "New password"),
    "old_password": ("当前密码", "Present password"),
    "no_role": ("取消角色", "no role"),
    "not_yourself": (
        "不能停用自己或取消自己的角色",
        "You cannot disable yourself or lose your own role",
    ),
    "of_more": (
        "此用户还属于其他街道，只有其管理员能改",
        "This user belongs to other tenants too; only an admin of all of them can change this",
    ),
    "password_about": (
        "12 到 128 个字符，例如四个互不相关的词。修改后所有登录都会退出。",
        "12 to 128 characters, e.g. four words that do not belong together. Every login ends.",
    ),
    "when": ("时间", "When"),
    "who": ("用户", "Who"),
    "address": ("地址", "Address"),
    "about": ("对象", "About"),
    "result": ("结果", "Result"),
    "journal_about": (
        "只增不改，数据库拒绝修改和删除。显示最近 {} 条；同一人十分钟内重复查看只记一次。",
        "It only grows; the database refuses to change or delete it. The last {} are shown; the"
        " same look within ten minutes is written once.",
    ),
    # Print
    "report_of": ("{} 月报", "Report of {}"),
    "print_about": (
        "用浏览器“打印”（Ctrl+P）存为 PDF，A4 纵向。",
        "Print it from the browser (Ctrl+P), to paper or PDF, A4 upright.",
    ),
    "flag_list": ("标记与说明", "Flags and answers"),
    "none": ("无", "none"),
    "signed": ("评定人", "Evaluator"),
    "date": ("日期", "Date"),
    "method": ("方法", "Method"),
    "method_about": (
        "覆盖率 {} 以上为可靠，{} 以上为估算（按本中心同星期同时段的规律补足），更低不予评定，"
        "绝不记零。得分是加权平均，附误差范围；权重、下限和目标见所用方案。",
        "Coverage of {} and more is reliable, of {} and more estimated (filled in from the centre's"
        " own weekdays and hours); less is not rated, never zero. The score is a weighted mean"
        " with its range; weights, floors and targets are those of the scheme.",
    ),
    # Fleet
    "alerts": ("未结束的告警", "Open alerts"),
    "no_alerts": ("没有未结束的告警。", "No alert is open."),
    "alerts_about": (
        "告警由 evaluation watch 产生；它没有运行时这里不会更新。",
        "Alerts are raised by evaluation watch; while it does not run nothing changes here.",
    ),
    "severity": ("级别", "Severity"),
    "alert": ("告警", "Alert"),
    "presence_state": ("状态", "State"),
    "last_record": ("最后记录", "Last record"),
    "picture": ("画面", "Picture"),
    "unaudited": ("未核查的线", "Unaudited lines"),
    "unregistered": ("未登记", "not registered"),
    "version": ("版本", "Version"),
    "missing": ("缺失", "Missing"),
    "waiting": ("待报", "Waiting"),
}

WEEKDAYS = (("一", "二", "三", "四", "五", "六", "日"),
            ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))  # fmt: skip

PARTS: Mapping[str, tuple[str, str]] = {
    "visits": ("到访", "visits"),
    "seen": ("其中看到", "seen"),
    "filled": ("其中估算", "filled in"),
    "borrowed": ("其中借用其他时段", "of it from other weekdays or hours"),
    "residents": ("常住人口", "residents"),
    "open_days": ("开放天数", "open days"),
    "coverage": ("覆盖率", "coverage"),
    "slots": ("开放时段", "open slots"),
    "held_in": ("符合的时段", "slots that count"),
    "held": ("已举办", "held"),
    "planned": ("计划", "planned"),
    "came": ("到场", "came"),
    "expected": ("应到", "expected"),
    "known": ("人数已知的活动", "activities with a headcount"),
    "reached": ("覆盖人群", "audiences reached"),
    "audiences": ("人群总数", "audiences"),
    "praise": ("好评", "praise"),
    "ratings": ("评价", "ratings"),
    "short_waits": ("等候较短的时段", "slots with a short wait"),
    "waits": ("有排队的时段", "slots with a queue"),
    "queue_coverage": ("排队区覆盖率", "coverage of the queue"),
    "in_time": ("按时办结", "done in time"),
    "due": ("到期事项", "cases due"),
}
"""What figures are made of, see `evaluation.assessment.indicators`."""

SHARES = frozenset({"coverage", "queue_coverage"})
"""The parts that are shares, not numbers of something."""


def text(name: str, language: str, *values: object) -> str:
    """Return a text. Raises KeyError for one that there is not."""
    return TEXTS[name][LANGUAGES.index(language)].format(*values)


def part_name(name: str, language: str) -> str:
    """Return what a part of a figure is called."""
    return PARTS.get(name, (name, name))[LANGUAGES.index(language)]
