"""What `privacy-check` looks at in the config and beside it: secrets, software, confirmation."""

import socket
import stat
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge.adapters.camera_address import host_and_port, kind_of
from edge.adapters.camera_channel import Kind
from edge.adapters.device_key import KEY_FILE
from edge.adapters.installed import imported_with, installed_packages
from edge.adapters.last_good import FILE_NAME as LAST_GOOD
from edge.adapters.model_catalog import own_folder, shipped_folder
from edge.answered_for import what_is_missing
from edge.config import Config, password
from edge.config_sections import TlsSection
from edge.errors import ConfigError
from edge.privacy_deny import denied_files, denied_packages, normalised
from edge.privacy_links import Allowed, End
from edge.privacy_promises import Said
from edge.privacy_verdicts import Look

_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_RESOLVERS = Path("/etc/resolv.conf")
_SHORTEST_SECRET = 6


def look_at_settings(config: Config, file: Path) -> list[Look]:
    """Look at what the config says and at the files it names."""
    return [
        _interval(config),
        _transport(config),
        _secret_files(config, file),
        _setup(config),
        _answered(config),
    ]


def look_at_software(config: Config) -> list[Look]:
    """Look at what is installed beside the counter, what it imports, and at its models."""
    packages = installed_packages()
    imported = imported_with("edge.app", "edge.cli", "edge.adapters.camera_process")
    folders = {shipped_folder(), own_folder(config.model.folder)}
    models = sorted(path.name for folder in folders if folder.is_dir() for path in folder.iterdir())
    denied = [
        *denied_packages(packages),
        *denied_packages(map(normalised, imported)),
        *denied_files([*models, config.model.name]),
    ]
    at = Said(
        f"软件包 {len(packages)} 个，导入模块 {len(imported)} 个，模型文件 {len(models)} 个",
        f"{len(packages)} packages, {len(imported)} modules imported, {len(models)} model files",
    )
    problems = tuple(Said(f"禁用：{n}", f"denied: {n}") for n in dict.fromkeys(denied))
    return [Look("nobody-recognised", at, problems)]


def secrets_of(config: Config) -> list[str]:
    """Return the passwords that may be nowhere else; very short ones say nothing."""
    found: list[str | None] = []
    try:
        found.append(password(config.mqtt))
    except ConfigError:
        found.append(None)  # told with the files
    if "://" in config.camera.source:
        found.append(_password_in(config.camera.source))
    return [secret for secret in found if secret and len(secret) >= _SHORTEST_SECRET]


def allowed_links(config: Config) -> tuple[Allowed, Said | None]:
    """Return where connections may lead, and why that is not fully known."""
    wanted = [(config.mqtt.host, config.mqtt.port)]
    if kind_of(config.camera.source) is Kind.RTSP:
        wanted.append(host_and_port(config.camera.source))
    remotes, unknown = set(_name_servers()), None
    for host, port in wanted:
        try:
            remotes |= {(str(info[4][0]), port) for info in socket.getaddrinfo(host, port)}
        except OSError:
            unknown = Said(f"{host} 无法解析", f"the name {host} cannot be looked up")
    listens: dict[int, frozenset[str]] = {}
    if config.health.prometheus_port:
        listens[config.health.prometheus_port] = _LOOPBACK
    page = config.setup_page
    if page.enabled:
        listens[page.port] = frozenset() if page.network == "lan" else _LOOPBACK
    return Allowed(frozenset(remotes), listens), unknown


def _interval(config: Config) -> Look:
    minutes = config.records.interval_min
    at = Said(f"配置：每 {minutes} 分钟", f"config: every {minutes} minutes")
    problem = Said("短于 5 分钟", "shorter than 5 minutes")
    return Look("intervals-coarse", at, (problem,) if minutes < 5 else ())


def _transport(config: Config) -> Look:
    mqtt = config.mqtt
    problems = []
    if mqtt.tls is None:
        at = Said(
            "未加密（实验模式，声明中已写明）", "plain text, in a lab, and the statement says so"
        )
        if config.privacy.mode == "production":
            problems.append(Said("正式模式未加密", "plain text in production"))
    else:
        at = Said("TLS", "TLS")
        if mqtt.tls.cert is None and mqtt.password_file is None:
            problems.append(Said("没有本设备自己的凭证", "no credentials of this device's own"))
        problems += [
            Said(f"缺少文件 {path}", f"there is no {path}")
            for path in (mqtt.tls.ca, mqtt.tls.cert, mqtt.tls.key)
            if path is not None and not path.exists()
        ]
    return Look("transport-safe", at, tuple(problems))


def _secret_files(config: Config, file: Path) -> Look:
    tls = config.mqtt.tls or TlsSection()
    paths = [tls.key, config.mqtt.password_file, config.records.data_dir / KEY_FILE]
    if "://" in config.camera.source and _password_in(config.camera.source):
        paths += [file, config.records.data_dir / LAST_GOOD]  # the camera's password is in them
    there = [path for path in paths if path is not None and path.exists()]
    at = Said(f"{len(there)} 个密钥或密码文件", f"{len(there)} files with keys or passwords")
    problems = tuple(_too_open(there))
    return Look("secrets-kept", at, problems)


def _too_open(paths: Iterable[Path]) -> Iterable[Said]:
    for path in paths:
        state = path.stat()
        mode = stat.S_IMODE(state.st_mode)
        # Root's file that the group of the service may read is for the service only.
        forbidden = 0o037 if state.st_uid == 0 and state.st_gid != 0 else 0o077
        if mode & forbidden:
            yield Said(
                f"{path} 其他用户可读（{mode:o}），请 chmod 600",
                f"{path}: others may use it, its mode is {mode:o}; chmod 600 {path}",
            )


def _setup(config: Config) -> Look:
    page = config.setup_page
    if not page.enabled:
        return Look("setup-closed", Said("配置：关闭", "config: off"))
    still = Said("，可显示马赛克示意图", ", with a pixelated still") if page.still else Said("", "")
    return Look(
        "setup-closed",
        Said(f"配置：{page.network}{still.zh}", f"config: {page.network}{still.en}"),
    )


def _answered(config: Config) -> Look:
    privacy = config.privacy
    if privacy.mode == "lab":
        why = Said("实验模式，无须确认", "lab mode: nobody had to confirm")
        return Look("answered-for", Said("模式", "mode"), not_run=why)
    missing = what_is_missing(config)
    at = Said(f"{privacy.unit}，安装确认", f"{privacy.unit}, the installer's confirmation")
    return Look("answered-for", at, (missing,) if missing else ())


def _password_in(address: str) -> str | None:
    try:
        found = urlsplit(address).password
    except ValueError:
        return None
    return unquote(found) if found else None


def _name_servers() -> Iterable[End]:
    try:
        lines = _RESOLVERS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        parts = line.split()
        if len(parts) > 1 and parts[0] == "nameserver":
            yield parts[1].partition("%")[0], 53
