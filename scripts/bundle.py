"""Makes release keys and update bundles: `scripts/bundle key | build`; see docs/updates.md.

The same source tree, wheels and key make the same bytes: our wheel takes its times from
SOURCE_DATE_EPOCH (default: the last commit), Ed25519 signs without chance, and the bundle has one
form only.
"""

import argparse
import getpass
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edge import __version__
from edge.adapters.device_key import DeviceKey
from edge.adapters.outbox_schema import SCHEMA_VERSION
from edge.adapters.written_whole import write_whole
from edge.errors import UpdateError
from edge.updating.bundle import SUFFIX, key_id, sign, write_bundle
from edge.updating.manifest import OLDEST_BEFORE, PROGRAM, Manifest, Wheel, manifest_bytes

ROOT = Path(__file__).resolve().parents[1]
PRIVATE, PUBLIC = "update-key.private", "update-key.pem"
# From the oldest C library on: what runs there runs on newer ones.
GLIBC = ("2014", "_2_17", "_2_24", "_2_26", "_2_27", "_2_28", "_2_31", "_2_34", "_2_35")
CHUNK = 1024 * 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bundle", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    key = verbs.add_parser("key", help="make a key pair in a folder 生成密钥对")
    key.add_argument("folder", type=Path)
    key.add_argument("--no-passphrase", action="store_true", help="the file's mode alone keeps it")
    key.set_defaults(act=make_key)
    build = verbs.add_parser("build", help="make a bundle 制作升级包")
    build.add_argument("--key", type=Path, required=True, help=f"{PRIVATE} of `key`")
    build.add_argument("--platform", choices=["aarch64", "x86_64"], required=True)
    build.add_argument("--python", default="3.11", help="of the devices, e.g. 3.11")
    build.add_argument("--thin", action="store_true", help="only our own wheel, for MQTT")
    build.add_argument("--wheels", type=Path, help="offline: take the packages from this folder")
    build.add_argument("out", type=Path, help="a file, or a folder for a file with its usual name")
    build.set_defaults(act=build_bundle)
    options = parser.parse_args()
    try:
        options.act(options)
    except (UpdateError, OSError) as error:
        sys.exit(f"error: {error}")


def make_key(options: argparse.Namespace) -> None:
    """Write a new pair; a private key that is there is never written over."""
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (folder / PRIVATE).exists():
        sys.exit(f"error: {folder / PRIVATE} is there already; devices may trust it")
    encryption: KeySerializationEncryption = NoEncryption()
    if not options.no_passphrase:
        encryption = BestAvailableEncryption(passphrase(twice=True))
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_whole(folder / PRIVATE, private)
    write_whole(folder / PUBLIC, public, 0o644)
    print(f"{folder / PRIVATE}: keep it to yourself, away from this machine 私钥，妥善保管")
    print(f"{folder / PUBLIC}: for the devices 公钥: scripts/install --update-key {PUBLIC}")
    print(f"key 密钥: {key_id(key.public_key())}")


def passphrase(*, twice: bool = False) -> bytes:
    """Ask for it; a program gives it as the first line of standard input."""
    if not sys.stdin.isatty():
        given = sys.stdin.readline().rstrip("\r\n")
    else:
        given = getpass.getpass("Passphrase 口令: ")
        if twice and getpass.getpass("Again 再输一次: ") != given:
            sys.exit("error: the two are not the same 两次不一致")
    if twice and len(given) < 8:
        sys.exit("error: at least 8 characters 口令至少 8 个字符; without one: --no-passphrase")
    return given.encode()


def read_key(path: Path) -> Ed25519PrivateKey:
    text = path.read_bytes()
    if b"ENCRYPTED" not in text and path.stat().st_mode & 0o077:
        sys.exit(f"error: {path}: others may read it and it has no passphrase; chmod 600 {path}")
    try:
        key = load_pem_private_key(text, passphrase() if b"ENCRYPTED" in text else None)
    except ValueError:
        sys.exit(f"error: {path}: is no private key, or that is not its passphrase 口令不对")
    if not isinstance(key, Ed25519PrivateKey):
        sys.exit(f"error: {path}: is no Ed25519 key; make one with scripts/bundle key DIR")
    return key


def build_bundle(options: argparse.Namespace) -> None:
    """Collect the wheels, sign their list, write the file."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if options.python != here:  # the lock chooses some versions by the Python that reads it
        sys.exit(
            f"error: --python {options.python}: run this with Python {options.python}, not {here}"
        )
    signer = DeviceKey(read_key(options.key))
    epoch = source_date()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        own = own_wheel(folder / "own", epoch)
        packages = collect(folder / "packages", options)
        paths = [own, *sorted(packages, key=lambda path: path.name.lower())]
        wheels = [wheel_of(path, carried=path == own or not options.thin) for path in paths]
        manifest = Manifest(
            version=__version__,
            requires=OLDEST_BEFORE,
            built=f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%SZ}",
            machine=options.platform,
            python=options.python,
            source=source_hash(),
            data_format=SCHEMA_VERSION,
            wheels=wheels,
        )
        content = manifest_bytes(manifest)
        carried = [
            (wheel, chunks(path))
            for wheel, path in zip(wheels, paths, strict=True)
            if wheel.carried
        ]
        out = file_for(options.out, manifest, thin=options.thin)
        with out.open("wb") as file:
            write_bundle(file, content, sign(content, signer), carried)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {len(carried)} of {len(wheels)} wheels")
    print(f"sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}")


def file_for(out: Path, manifest: Manifest, *, thin: bool) -> Path:
    if not out.is_dir():
        out.parent.mkdir(parents=True, exist_ok=True)
        return out
    what = f"{manifest.version}-{manifest.machine}-py{manifest.python}{'-thin' if thin else ''}"
    return out / f"{PROGRAM}-{what}{SUFFIX}"


def source_date() -> int:
    said = os.environ.get("SOURCE_DATE_EPOCH")
    if said is None:
        command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = done.stdout.strip()
    if not said.isdecimal():
        sys.exit(
            "error: not a git checkout; give SOURCE_DATE_EPOCH, e.g. SOURCE_DATE_EPOCH=1764201600"
        )
    return int(said)


def source_hash() -> str:
    """Return what scripts/install knows this source tree by, from the same lines."""
    line = 'ROOT="$1"; . "$ROOT/scripts/installing/program.sh"; source_hash'
    done = subprocess.run(
        ["bash", "-c", line, "bash", str(ROOT)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def own_wheel(folder: Path, epoch: int) -> Path:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder)]
    pip("wheel", *options, str(ROOT), environment=environment)
    return next(folder.glob("*.whl"))


def collect(folder: Path, options: argparse.Namespace) -> list[Path]:
    """Return every package of the lock as the wheel for the device, its hash checked."""
    where = ["--no-index", "--find-links", str(options.wheels)] if options.wheels else []
    target = ["--implementation", "cp", "--python-version", options.python]
    for abi in (f"cp{options.python.replace('.', '')}", "abi3", "none"):
        target += ["--abi", abi]
    for glibc in GLIBC:
        target += ["--platform", f"manylinux{glibc}_{options.platform}"]
    lock = ["--require-hashes", "-r", str(ROOT / "requirements.lock")]
    pip(
        "download", "--no-deps", "--only-binary", ":all:", "-d", str(folder), *where, *target, *lock
    )
    return list(folder.glob("*.whl"))


def pip(*words: str, environment: dict[str, str] | None = None) -> None:
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{done.stderr}error: pip {words[0]} failed; is the network or --wheels complete?")


def wheel_of(path: Path, *, carried: bool) -> Wheel:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Wheel(path.name, path.stat().st_size, digest, carried)


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


if __name__ == "__main__":
    main()
