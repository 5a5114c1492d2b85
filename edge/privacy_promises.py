"""The promises to whoever walks past: the one table that statement, docs and check share.

Pure data. `docs/privacy.md` is written from it by `scripts/topics`; `privacy_check` has one
verdict for each.
"""

from dataclasses import dataclass
from typing import Literal

Lang = Literal["zh", "en"]
"""The languages a statement can be read in."""

PromiseId = Literal[
    "pictures-not-stored",
    "pictures-not-sent",
    "pictures-forgotten",
    "memory-not-written",
    "nobody-recognised",
    "tracks-stay",
    "places-stay",
    "intervals-coarse",
    "files-in-place",
    "connections-configured",
    "transport-safe",
    "secrets-kept",
    "setup-closed",
    "statement-true",
    "answered-for",
]


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence in both languages."""

    zh: str
    en: str

    def __getitem__(self, lang: Lang) -> str:
        """Return the sentence in a language."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised, how it is kept, and what `privacy-check` looks at.

    public: whether a visitor reads it in the statement; others are for the auditor.
    """

    id: PromiseId
    said: Said
    kept: Said
    checked: Said
    public: bool = True


PROMISES = (
    Promise(
        "pictures-not-stored",
        Said(
            "不保存任何画面：没有照片、视频、截图或缩略图存盘。",
            "No picture is stored: no photo, video, crop or thumbnail on the disk.",
        ),
        Said(
            "画面只在摄像机进程与计数进程共用的匿名内存里，没有文件名；程序里没有保存画面的代码路径。",
            "Pictures are in anonymous memory without a file name, shared by the camera process and"
            " the counting process; nothing in the service writes one.",
        ),
        Said(
            "读遍数据目录的每个文件和数据库的每个字段，按文件头查找图片和视频；播放一段独一无二的"
            "标记画面，再到磁盘上查找它的像素、编码和缩小版本。",
            "Every file of the data folder and every value of the database is searched for the first"
            " bytes of pictures and videos; an unmistakable clip is played and its pixels, encodings"
            " and reductions are looked for on the disk.",
        ),
    ),
    Promise(
        "pictures-not-sent",
        Said(
            "不外传任何画面：设备只上报数字。",
            "No picture is sent: only numbers leave the device.",
        ),
        Said(
            "每种消息都有公开的格式，不允许格式之外的字段。",
            "Every message has a published schema that allows no other field.",
        ),
        Said(
            "接收标记画面运行期间的全部消息和设置页的全部应答，逐条比对格式，并查找标记画面。",
            "All messages of a run on the unmistakable clip, and all answers of its set-up page, are"
            " held against what they may say and searched for it.",
        ),
    ),
    Promise(
        "pictures-forgotten",
        Said(
            "画面在内存中最多停留 2 秒、最多 3 帧，用后即弃。",
            "A picture stays in memory for 2 seconds at most, and never more than 3 of them.",
        ),
        Said(
            "一个共享画面，一个正在分析的副本，一个供运动比较的小灰度图；没人取走的画面 1.5 秒后抹掉。",
            "One shared picture, one copy that is looked at; one that nobody takes is wiped after"
            " 1.5 s.",
        ),
        Said(
            "查看运行中进程的共享内存个数和大小；在标记画面运行中，搜索全部内存，数出画面的份数，"
            "并在 2 秒后确认旧画面已经消失。",
            "The shared memory of the running processes is counted and measured; in a run on the"
            " unmistakable clip all memory is searched, copies are counted, and 2 s later they are"
            " gone.",
        ),
    ),
    Promise(
        "memory-not-written",
        Said(
            "内存中的画面不会因死机或内存不足被写到磁盘。",
            "What is in memory is not written to the disk when a program crashes or memory is short.",
        ),
        Said(
            "服务的所有进程都关闭内存转储（core dump）；systemd 单元还禁止把它的内存换出到磁盘。",
            "The service switches core dumps off for all its processes; its unit does so too, and"
            " forbids its memory to be swapped out.",
        ),
        Said(
            "查看运行中每个进程的转储上限、已换出的内存，以及是否允许换出到磁盘。",
            "The core limit and dump filter of every running process, how much of it is swapped out,"
            " and whether it may be.",
        ),
    ),
    Promise(
        "nobody-recognised",
        Said(
            "不识别任何人：没有人脸识别、行人再识别，也不判断年龄、性别等特征。",
            "Nobody is recognised: no face recognition, no re-identification, no age, gender or"
            " other attribute.",
        ),
        Said(
            "只用一个判断“有没有人”的检测模型；依赖库和模型有禁用清单，每次提交都检查。",
            "One model that tells where somebody is; libraries and models are held against a deny"
            " list with every change of the software.",
        ),
        Said(
            "查看已安装的软件包、进程实际加载的库、模型文件名及其哈希、消息中的字段名。",
            "Installed packages, the libraries the running processes have loaded, names and hashes of"
            " model files, and the names of fields in messages.",
        ),
    ),
    Promise(
        "tracks-stay",
        Said(
            "不跟踪个人：临时编号每次启动随机，离开画面即作废，从不写入日志、数据库或消息。",
            "Nobody is followed: the temporary number of somebody in view is random, ends with the"
            " view, and is never in a log, a database or a message.",
        ),
        Said(
            "编号只在跟踪和计数两步之间使用；记录是每个时段的合计。",
            "The number lives between tracking and counting only; a record is the sum of an interval.",
        ),
        Said(
            "查找日志、数据库记录和消息中的编号字段。",
            "Log lines, records of the database and messages are searched for such a field.",
        ),
    ),
    Promise(
        "places-stay",
        Said(
            "不记录位置和轨迹：任何人走过的路线都不离开设备，也不存盘。",
            "No place and no path: where somebody stood or walked is neither stored nor sent.",
        ),
        Said(
            "消息里只有计数线和区域本身的画法（运维用），没有人的坐标。",
            "The only coordinates in messages are those of the drawn lines and zones, on the topic"
            " config/reported.",
        ),
        Said(
            "查找日志、数据库记录和消息中的坐标字段。",
            "Log lines, records of the database and messages are searched for coordinates.",
        ),
    ),
    Promise(
        "intervals-coarse",
        Said(
            "只有时段合计：每个数字至少是 5 分钟的合计；不足 5 人次不给平均停留时间。",
            "Only sums: every number is that of at least 5 minutes, and there is no mean stay for"
            " fewer than 5 visits.",
        ),
        Said(
            "配置不接受短于 5 分钟的时段；平均值在设备上就隐去。",
            "The config accepts no shorter interval; means are left out on the device itself.",
        ),
        Said(
            "核对配置和数据库中每条记录的时段长度（改配置或重启时的零头除外）以及平均值。",
            "The interval of the config, the ends of every stored record, which lie on that grid or"
            " where something changed, and every mean.",
        ),
    ),
    Promise(
        "files-in-place",
        Said(
            "只写自己的数据目录：计数、日志以外不留任何文件。",
            "It writes in its own data folder only, and only files that are known.",
        ),
        Said(
            "systemd 单元把其余文件系统设为只读。",
            "The unit makes the rest of the file system read-only for it.",
        ),
        Said(
            "查看进程打开的文件和数据目录中的文件名。",
            "The files that the running processes have open, and the names in the data folder.",
        ),
        public=False,
    ),
    Promise(
        "connections-configured",
        Said(
            "只连接配置中写明的摄像机和服务器，不连接其他任何地址，没有遥测。",
            "It connects to the camera and the server of its config and to nothing else; there is no"
            " telemetry.",
        ),
        Said(
            "代码没有其他网络出口；带遥测的库版本被排除。",
            "There is no other way out in the code; versions of libraries with telemetry are kept"
            " out.",
        ),
        Said(
            "查看运行中进程的每个网络连接和监听端口。",
            "Every connection and every listening port of the running processes.",
        ),
    ),
    Promise(
        "transport-safe",
        Said(
            "数字加密传输（TLS），每台设备有自己的凭证；只有实验模式可以不加密，并在此说明。",
            "Numbers travel encrypted (TLS) with credentials of this device's own; plain text only in"
            " a lab, and then it says so here.",
        ),
        Said(
            "没有 TLS 的配置被拒绝，除非写明 insecure_lab；正式模式下一律拒绝。",
            "A config without TLS is refused unless it says insecure_lab; in production always.",
        ),
        Said(
            "核对配置、证书文件以及运行中发布的声明。",
            "The config, its certificate files, and what the statement says.",
        ),
    ),
    Promise(
        "secrets-kept",
        Said(
            "密码和密钥只有设备自己能读，不写入日志、消息或数据库。",
            "Passwords and keys can be read by the device only, and are in no log, message or"
            " database.",
        ),
        Said(
            "密钥文件权限为 0600；日志中的地址不带密码。",
            "Key files are for their owner only; addresses in the log have no password.",
        ),
        Said(
            "核对密钥和密码文件的权限，并在日志、消息和数据库中查找这些密码。",
            "The modes of key and password files; logs, messages and the database are searched for"
            " the passwords.",
        ),
        public=False,
    ),
    Promise(
        "setup-closed",
        Said(
            "设置页平时关闭；安装时的示意图只在现场可看、打成马赛克、最多 15 分钟。",
            "The set-up page is off by default; its still is shown on site only, pixelated, for 15"
            " minutes at most.",
        ),
        Said(
            "默认关闭，只在本机或局域网监听，需要 PIN，自动关闭，访问留痕。",
            "Off by default, on this device or the local network only, with a PIN, ends by itself,"
            " and every access is noted.",
        ),
        Said(
            "核对配置和实际监听的地址。",
            "The config, and the addresses that are really listened on.",
        ),
    ),
    Promise(
        "statement-true",
        Said(
            "这份声明由正在运行的配置自动生成，与实际一致。",
            "This statement is made from the config that is running, and is what is really done.",
        ),
        Said(
            "privacy 主题、网页、告示牌和本检查使用同一份数据。",
            "The privacy topic, the page, the sign and this check use the same data.",
        ),
        Said(
            "把试运行发布的声明与配置逐项比较。",
            "The statement that a run publishes is compared with its config, field by field.",
        ),
        public=False,
    ),
    Promise(
        "answered-for",
        Said(
            "有人负责：告示已张贴，用途和责任单位已写明，不安装在更衣室、母婴室或厕所。",
            "Somebody answers for it: a sign is up, purpose and responsible unit are named, and it is"
            " in no changing room, nursing room or toilet.",
        ),
        Said(
            "没有安装人员逐项确认，正式模式不启动；配置改变后须重新确认。",
            "In production it does not start before the installer has confirmed each point; what was"
            " confirmed ends when the config changes.",
        ),
        Said(
            "核对模式、必填内容、确认记录及其覆盖的设置。",
            "The mode, what has to be filled in, and that the record of the confirmation covers this"
            " config.",
        ),
    ),
)


def promise(of: PromiseId) -> Promise:
    """Return a promise by its id."""
    return next(each for each in PROMISES if each.id == of)
