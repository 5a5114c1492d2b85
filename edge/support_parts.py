"""The parts of a support bundle: each collects one thing, and says why where it cannot."""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from edge import __version__, export_verb, verify_verb
from edge.adapters import machine_facts
from edge.adapters.certificate_facts import certificate_facts, key_facts
from edge.adapters.data_folder import OUTBOX_FILE
from edge.adapters.health import FILE_NAME as HEALTH_FILE
from edge.adapters.model_catalog import load_catalog
from edge.adapters.model_file import read_model
from edge.adapters.outbox_statistics import outbox_statistics
from edge.adapters.plain_file import read_plain
from edge.adapters.record_reader import read_streams
from edge.adapters.system_log import last_lines
from edge.config import Config
from edge.config_sections import TlsSection
from edge.errors import BadInputError
from edge.evidence_text import verdict_text
from edge.months import month_of
from edge.support_subject import Subject

RECORDS_OF_S = 48 * 3600
LOG_LINES = 2000
_MOST_FILES = 300
_MOST_HEALTH_BYTES = 100_000
_WITHIN_S = 90.0


@dataclass(frozen=True, slots=True)
class Text:
    """What a part has to say; `trouble`: why that is not all."""

    text: str
    trouble: str | None = None


def about(subject: Subject) -> Text:
    """Version, system and board, clock, disks, heat."""
    folders = {"records.data_dir": subject.folder, "config": subject.path.parent}
    told = {"lobbycount": __version__, **machine_facts.software(), **machine_facts.state(folders)}
    if subject.config is not None:
        told["device.time_zone"] = subject.config.device.time_zone
    return _json(told)


def packages(_subject: Subject) -> Text:
    """Every package of this installation with its version."""
    return Text("\n".join(machine_facts.packages()) + "\n")


def config(subject: Subject) -> Text:
    """The config file as it is; what is secret in it is hidden afterwards."""
    if subject.text is None:
        return Text("", subject.trouble or f"{subject.path}: is a link; give the file itself")
    return Text(subject.text, subject.trouble and "it cannot be used, see check.txt")


def kept_config(subject: Subject) -> Text:
    """The last config that was good: it is in force while the file cannot be used."""
    return Text(subject.kept() or "none is kept\n")


def check(subject: Subject) -> Text:
    """What `lobbycount check` says."""
    return _said_by("check", str(subject.path))


def health(subject: Subject) -> Text:
    """What `lobbycount health` says."""
    return _said_by("health", "--config", str(subject.path))


def health_file(subject: Subject) -> Text:
    """The health file itself."""
    path = subject.folder / HEALTH_FILE
    age_s = time.time() - path.stat().st_mtime
    return Text(f"{read_plain(path, _MOST_HEALTH_BYTES)}\nage_s: {age_s:.0f}\n")


def log(_subject: Subject) -> Text:
    """The last lines of the service in the journal."""
    return Text(*last_lines(LOG_LINES))


def outbox(subject: Subject) -> Text:
    """Counts, sizes and the check of the outbox, no record of it."""
    return _json(outbox_statistics(subject.folder / OUTBOX_FILE))


def verification(subject: Subject) -> Text:
    """The verdict over this month's records; what is verified stays in memory."""
    now, config_ = datetime.now(UTC), _config_of(subject)
    month = month_of(now.strftime("%Y-%m"))
    try:
        found = export_verb.export(config_, month)
    except BadInputError:  # the month has only just begun
        month = month_of((now - timedelta(days=1)).strftime("%Y-%m"))
        found = export_verb.export(config_, month)
    descriptor = os.memfd_create("export")
    with os.fdopen(descriptor, "wb") as file:
        file.write("".join(f"{line}\n" for line in found.lines).encode())
        file.flush()
        report = verify_verb.verify(month, [Path(f"/proc/self/fd/{descriptor}")])
    unsigned = f"not signed: {found.unsigned}\n" if found.unsigned else ""
    return Text(f"{unsigned}{verdict_text(report)}\n")


def model(subject: Subject) -> Text:
    """Whether the model's file is the one of the catalog."""
    section = _config_of(subject).model
    catalog = load_catalog(section.folder)
    entry = catalog.entry(section.name)
    told = {"name": entry.name, "hash": entry.hash, "file": str(catalog.path(entry))}
    read_model(entry, catalog.path(entry))
    return _json({**told, "sha256": entry.sha256, "is_the_right_file": True})


def certificates(subject: Subject) -> Text:
    """Fingerprints and dates; of the key only who may read it and whether it fits."""
    tls = _config_of(subject).mqtt.tls or TlsSection()
    told: dict[str, object] = {
        f"mqtt.tls.{name}": certificate_facts(path)
        for name, path in (("ca", tls.ca), ("cert", tls.cert))
        if path
    }
    if tls.key:
        told["mqtt.tls.key"] = key_facts(tls.key, tls.cert)
    return _json(told or {"mqtt.tls": "no certificate is set"})


def data_folder(subject: Subject) -> Text:
    """The names and sizes of what lies in the data folder; nothing of their content."""
    first = sorted(subject.folder.iterdir())  # raises where `glob` is silent: not there, no right
    found = [*first, *sorted(islice(subject.folder.glob("*/*"), _MOST_FILES))]
    lines = [_listed(path, subject.folder) for path in found[:_MOST_FILES]]
    more = "there are more files" if len(found) > _MOST_FILES else None
    return Text("".join(f"{line}\n" for line in lines) or "it is empty\n", more)


def records(subject: Subject) -> Text:
    """The records of the last 48 hours, as they are in the outbox."""
    since = datetime.fromtimestamp(time.time() - RECORDS_OF_S, UTC).isoformat()
    streams = read_streams(subject.folder / OUTBOX_FILE, subject.dev)
    bodies = [record.body for stream in streams for record in stream]
    return Text("".join(f"{body}\n" for body in bodies if _end_of(body) >= since))


def _end_of(body: str) -> str:
    try:
        return datetime.fromisoformat(json.loads(body)["t1"]).isoformat()
    except (ValueError, KeyError, TypeError):
        return "9"  # a record that cannot be read is what the developer asks for


def _config_of(subject: Subject) -> Config:
    if subject.config is None:
        raise BadInputError("the config cannot be used, see check.txt")
    return subject.config


def _said_by(*arguments: str) -> Text:
    """Run a verb of this program as the operator would, and return what it prints."""
    done = subprocess.run(  # noqa: S603  this very program
        [sys.executable, "-P", "-m", "edge", *arguments],  # -P: nothing from where one stands
        capture_output=True,
        timeout=_WITHIN_S,
        check=False,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120"},
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    return Text(f"{said}exit code {done.returncode}\n")


def _listed(path: Path, folder: Path) -> str:
    try:
        found = path.lstat()
    except OSError as error:
        return f"{path.relative_to(folder)}: {error.strerror}"
    changed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found.st_mtime))
    mode, size = stat.filemode(found.st_mode), found.st_size
    return f"{mode} {found.st_uid:5} {size:12} {changed} {path.relative_to(folder)}"


def _json(told: object) -> Text:
    return Text(json.dumps(told, indent=1, ensure_ascii=False, default=str) + "\n")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the bundle, how it is collected, and what to call it."""

    name: str
    collect: Callable[[Subject], Text]
    zh: str
    en: str
    most_bytes: int = 500_000


PARTS: Sequence[Part] = (
    Part("about.json", about, "版本、系统、板卡、时钟、磁盘、温度",
         "version, system, board, clock, disks, temperature"),
    Part("check.txt", check, "lobbycount check 的输出", "what `lobbycount check` says"),
    Part("config.yaml", config, "配置文件（密码、用户名、地址已隐去）",
         "the config file; passwords, user names and addresses are hidden"),
    Part("config-last-good.yaml", kept_config, "最后一次正确的配置（同样已隐去）",
         "the last config that was good, with the same hidden"),
    Part("health.txt", health, "lobbycount health 的输出", "what `lobbycount health` says"),
    Part("health.json", health_file, "健康状态文件", "the health file"),
    Part("log.txt", log, f"服务日志的最后 {LOG_LINES} 行（地址已隐去）",
         f"the last {LOG_LINES} lines of the service's log, addresses hidden", 2_000_000),
    Part("outbox.json", outbox, "发件箱的统计：条数、大小、最早日期、检查结果（没有人次）",
         "the outbox in figures: rows, sizes, oldest date, check; no counts of people"),
    Part("verify.txt", verification, "本月记录核验的结论", "the verdict over this month's records"),
    Part("model.json", model, "模型文件是否正确", "whether the model's file is the right one"),
    Part("certificates.json", certificates, "证书的指纹和有效期（没有名称，没有密钥）",
         "fingerprints and dates of certificates; no names, no key"),
    Part("data-folder.txt", data_folder, "数据目录里的文件名和大小（没有内容）",
         "names and sizes of the files in the data folder, not their content"),
    Part("packages.txt", packages, "已安装的软件包", "the installed packages"),
)  # fmt: skip
RECORDS = Part("records.ndjson", records, "最近 48 小时的人次记录（按您的要求）",
               "the counts of the last 48 hours, because you asked for it", 8_000_000)  # fmt: skip
