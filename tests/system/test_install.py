"""scripts/install as far as nothing is installed: units, what it would do, what it refuses.

What it does for real is in tests/install, by hand.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

UNITS = [Path("config/systemd/lobbycount.service"), Path("config/systemd/lobbycount@.service")]
ROOTS = [
    Path("config/systemd/lobbycount-update.service"),
    Path("config/systemd/lobbycount-usb@.service"),
]
INSTALL = Path("scripts/install").absolute()
EXPOSURE = "--threshold=20"  # 2.0
FIRST_BOOT = Path("config/systemd/lobbycount-provision.service")

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


def complaints(folder, *names):
    """What systemd says of units in a folder: the exit code, and the lines about ours."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(folder / name) for name in names)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
    )
    return done.returncode, [line for line in done.stderr.splitlines() if "lobbycount" in line]


def exposure(unit):
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", EXPOSURE, str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd
@pytest.mark.parametrize("unit", UNITS + ROOTS, ids=lambda path: path.name)
def test_a_unit_exposes_little(unit):
    done = exposure(unit)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_systemd
def test_a_unit_that_allows_more_is_found_out(tmp_path):
    open_to_more = tmp_path / "lobbycount.service"
    text = re.sub("^SystemCallFilter=.*\n", "", UNITS[0].read_text("utf-8"), flags=re.MULTILINE)
    open_to_more.write_text(text, "utf-8")
    assert exposure(open_to_more).returncode != 0


@needs_systemd
def test_the_unit_of_the_first_boot_exposes_little():
    done = exposure(FIRST_BOOT)
    assert done.returncode == 0, done.stdout + done.stderr


def settings(unit):
    lines = unit.read_text("utf-8").splitlines()
    return [line for line in lines if re.match(r"\w+=", line)]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_watched_and_keeps_pictures_off_the_disk(unit):
    wanted = {"LimitCORE=0", "MemorySwapMax=0", "Type=notify", "Restart=always"}
    wanted |= {"StartLimitIntervalSec=0", "ReadWritePaths=-/etc/lobbycount"}
    assert wanted <= set(settings(unit))
    assert any(line.startswith("WatchdogSec=") for line in settings(unit))


@needs_systemd
@pytest.mark.parametrize("name", ["lobbycount-update.path", *(path.name for path in ROOTS)])
def test_a_unit_of_updates_is_one_that_systemd_takes(name, tmp_path):
    for path in Path("config/systemd").iterdir():
        text = path.read_text("utf-8")
        (tmp_path / path.name).write_text(
            re.sub("=/opt/.*?/lobbycount", "=/bin/true", text), "utf-8"
        )
    assert complaints(tmp_path, name.replace("@.", "@sda1.")) == (0, [])


@pytest.mark.parametrize("unit", ROOTS, ids=lambda path: path.name)
def test_what_root_does_reaches_no_network_and_leaves_no_core(unit):
    wanted = {"PrivateNetwork=yes", "IPAddressDeny=any", "LimitCORE=0", "NoNewPrivileges=yes"}
    wanted |= {"RestrictAddressFamilies=AF_UNIX", "ProtectSystem=strict", "ProtectHome=yes"}
    assert wanted <= set(settings(unit))


def test_the_units_differ_in_names_only():
    one, many = ([line for line in settings(unit) if "=" in line] for unit in UNITS)
    names = {"Description", "ExecStart", "StateDirectory"}
    different = {line.partition("=")[0] for line in set(one) ^ set(many)}
    assert different == names


def run(*options, before=(), **environment):
    command = [*before, str(INSTALL), *map(str, options)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_a_dry_run_names_what_it_would_do_and_does_nothing(tmp_path):
    done = run("--dry-run", "--prefix", tmp_path / "root")
    assert done.returncode == 0, done.stderr
    for part in ("opt/lobbycount/a", "lobby.yaml", "lobbycount@.service", "journald.conf.d"):
        assert part in done.stdout
    assert "Dry run" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_setting_up_at_the_first_boot_goes_in_where_somebody_wants_it(tmp_path):
    def said(*options):
        return run("--dry-run", "--prefix", tmp_path, *options).stdout

    unit = tmp_path / "etc/systemd/system" / FIRST_BOOT.name
    left_by_windows = tmp_path / "boot/firmware/provision.yaml.txt"
    for path in (unit, left_by_windows):
        path.parent.mkdir(parents=True)
    (left_by_windows.parent / "provision-result.txt").touch()
    assert FIRST_BOOT.name not in said()
    assert str(unit) in said("--provision")
    for path in (unit, left_by_windows):
        path.touch()
        assert "provision.yaml at boot" in said()
        path.unlink()


def test_uninstalling_takes_the_first_boot_along(tmp_path):
    units = tmp_path / "etc/systemd/system"
    wanted = units / "multi-user.target.wants" / FIRST_BOOT.name
    wanted.parent.mkdir(parents=True)
    (units / FIRST_BOOT.name).touch()
    wanted.symlink_to(units / FIRST_BOOT.name)
    assert run("--uninstall", "--prefix", tmp_path).returncode == 0
    assert not units.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--colour",), ["不认识的选项 --colour", "unknown option --colour"]),
        (("--config",), ["--config needs a value"]),
        (("--config", "/none.yaml"), ["没有这个文件", "/none.yaml: there is no such file"]),
        (("--purge",), ["--purge goes with --uninstall"]),
        (("--update-key", "/none.pem"), ["不是公钥文件", "is no public key", "scripts/bundle key"]),
    ],
)
def test_what_is_given_wrongly_is_told(tmp_path, options, said):
    done = run("--prefix", tmp_path, *options)
    assert done.returncode == 1
    assert [text for text in said if text not in done.stderr] == []


@pytest.mark.skipif(shutil.which("setarch") is None, reason="needs setarch of util-linux")
@pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="an x86 that can call itself a 32-bit one"
)
def test_a_system_of_32_bits_is_refused_with_what_to_use(tmp_path):
    done = run("--dry-run", "--prefix", tmp_path, before=["setarch", "linux32"])
    assert done.returncode == 1
    assert "32 位" in done.stderr
    assert "Raspberry Pi OS 64-bit" in done.stderr


def test_an_old_python_is_refused_with_what_to_use(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "mktemp", "rm", "uname", "getconf", "id", "flock", "realpath"):
        (tools / name).symlink_to(shutil.which(name))
    old = tools / "python3"
    old.write_text("#!/bin/sh\n[ $1 = --version ] && echo Python 3.9.2\nexit 1\n", "ascii")
    old.chmod(0o755)
    done = run("--prefix", tmp_path / "root", before=[shutil.which("bash")], PATH=str(tools))
    assert done.returncode == 1
    assert "Python 太旧：Python 3.9.2" in done.stderr
    assert "Debian 12" in done.stderr


def test_without_root_it_says_so():
    somebody = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
    with TemporaryDirectory() as folder:  # one that somebody else may enter
        Path(folder).chmod(0o755)
        shutil.copytree("scripts", f"{folder}/scripts")
        done = subprocess.run(
            [f"{folder}/scripts/install"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **somebody,
        )
    assert done.returncode == 1
    assert "sudo scripts/install" in done.stderr


def test_uninstalling_what_is_not_there_changes_nothing(tmp_path):
    done = run("--uninstall", "--prefix", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "nothing to remove" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_purging_asks_first(tmp_path):
    kept = tmp_path / "var/lib/lobbycount/record"
    kept.parent.mkdir(parents=True)
    kept.touch()
    done = run("--uninstall", "--purge", "--prefix", tmp_path)
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert kept.exists()
    assert run("--uninstall", "--purge", "--yes", "--prefix", tmp_path).returncode == 0
    assert not kept.parent.exists()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs Debian's shellcheck")
def test_the_scripts_pass_shellcheck():
    done = subprocess.run(
        ["shellcheck", "-x", str(INSTALL)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
