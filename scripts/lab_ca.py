"""A private certificate authority for labs and tests: one folder, six commands.

    scripts/lab-ca init DIR
    scripts/lab-ca broker DIR --host broker.example.org --host 192.0.2.7
    scripts/lab-ca device DIR lobby-001
    scripts/lab-ca backend DIR evaluation
    scripts/lab-ca sign DIR lobby-001.csr
    scripts/lab-ca enrol DIR --host broker.example.org --listen 0.0.0.0:8443

`sign` answers a request that came by file; `enrol` answers those of devices with a one-time token
of DIR/tokens.csv (see scripts/enrolment.py), until it is stopped.

In DIR: ca.pem and ca.key, broker.pem and broker.key, devices/lobby-001.pem and .key,
backends/evaluation.pem and .key. The common name (CN) of a device's certificate is its id;
that of a backend is "backend." and its name, which no device can be called.

NOT FOR A FLEET: the key of the authority lies unencrypted in DIR, nothing is revoked and
nothing is renewed. A real fleet needs a real authority and an enrolment of devices.
仅供实验室使用；正式部署请使用正式的证书机构和设备注册流程。

Python with `cryptography`, which the device has anyway, and not openssl's command line: the
rule for ids is the product's own function, files are created once and private from the
first byte, and tests can make a certificate that has expired.
"""

import argparse
import ipaddress
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from enrolment import Desk, Endpoint

from edge.errors import BadInputError, LobbyCountError
from edge.messages import checked_name

CA_DAYS = 3650
BROKER_DAYS = 365
CLIENT_DAYS = 365
CLOCK_SKEW = timedelta(minutes=5)
"""Valid from a little before now, because the clocks in a lab differ."""
BACKEND_PREFIX = "backend."
"""A device id has no dot, so that no device can be given the rights of a backend."""

Names = Iterable[x509.GeneralName]


@dataclass(frozen=True)
class Pair:
    """Where a certificate and its private key lie."""

    cert: Path
    key: Path


def init(folder: Path, days: float = CA_DAYS, now: datetime | None = None) -> Pair:
    """Make the authority. Raises BadInputError where there is one."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = _pair(folder, "ca")
    key = _new_key(pair.key)
    name = _name("lobbycount lab authority (not for a fleet)")
    builder = _builder(name, name, key.public_key(), days, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    _write(pair.cert, builder.sign(key, hashes.SHA256()))
    return pair


def broker(
    folder: Path, hosts: Iterable[str], days: float = BROKER_DAYS, now: datetime | None = None
) -> Pair:
    """Issue the broker's certificate for host names and addresses. Raises BadInputError."""
    names = [_host(host) for host in hosts]
    if not names:
        raise BadInputError("--host: name every host name and address that devices connect to")
    common_name = str(names[0].value)
    usage, pair = ExtendedKeyUsageOID.SERVER_AUTH, _pair(folder, "broker")
    return _issue(folder, pair, common_name, usage=usage, days=days, now=now, alternatives=names)


def device(folder: Path, dev: str, days: float = CLIENT_DAYS, now: datetime | None = None) -> Pair:
    """Issue a device's certificate; its CN is the device id. Raises BadInputError."""
    pair = _pair(folder / "devices", _checked(dev, "device id"))
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    return _issue(folder, pair, dev, usage=usage, days=days, now=now)


def backend(
    folder: Path, name: str, days: float = CLIENT_DAYS, now: datetime | None = None
) -> Pair:
    """Issue a backend's certificate; its CN is "backend." and the name. Raises BadInputError."""
    pair = _pair(folder / "backends", _checked(name, "name of the backend"))
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    return _issue(folder, pair, BACKEND_PREFIX + name, usage=usage, days=days, now=now)


def sign(
    folder: Path,
    csr: x509.CertificateSigningRequest,
    days: float = CLIENT_DAYS,
    now: datetime | None = None,
) -> Path:
    """Issue a device's certificate for a request; the key stays on the device.

    Returns where the certificate lies, in devices. Raises BadInputError.
    """
    names = [str(a.value) for a in csr.subject if a.oid == NameOID.COMMON_NAME]
    dev = _checked(names[0] if len(names) == 1 else "", "device id in the request")
    key = csr.public_key()
    if not csr.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadInputError(f"{dev}.csr: is not signed with an EC key; was it made by the device?")
    pair = _pair(folder / "devices", dev)
    if pair.cert.exists():
        raise BadInputError(f"{pair.cert}: there is one already; move it away to issue another")
    pair.cert.parent.mkdir(exist_ok=True, mode=0o700)
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    _write(pair.cert, _certified(folder, dev, key, usage=usage, days=days, now=now))
    return pair.cert


def sign_file(folder: Path, path: Path, days: float = CLIENT_DAYS) -> Path:
    """Issue a certificate for a request in a file. Raises BadInputError."""
    try:
        csr = x509.load_pem_x509_csr(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{path}: is no request for a certificate ({error}); e.g. the lobby-001.csr that a"
            " device has written"
        ) from error
    return sign(folder, csr, days)


def endpoint(
    folder: Path, hosts: Iterable[str], listen: tuple[str, int], days: float = CLIENT_DAYS
) -> Endpoint:
    """Return an enrolment endpoint, listening; its own certificate is made when there is none.

    Raises BadInputError.
    """
    pair = _pair(folder, "enrol")
    if not pair.cert.exists():
        names = [_host(host) for host in hosts]
        if not names:
            raise BadInputError("--host: name every host name and address that devices connect to")
        _issue(
            folder,
            pair,
            str(names[0].value),
            usage=ExtendedKeyUsageOID.SERVER_AUTH,
            days=BROKER_DAYS,
            now=None,
            alternatives=names,
        )
    desk = Desk(folder, lambda _, csr: sign(folder, csr, days))
    try:
        return Endpoint(listen, desk, pair.cert, pair.key)
    except OSError as error:
        raise BadInputError(
            f"--listen {listen[0]}:{listen[1]}: cannot be listened on ({error.strerror});"
            " e.g. --listen 0.0.0.0:8443"
        ) from error


def _issue(
    folder: Path,
    pair: Pair,
    common_name: str,
    *,
    usage: x509.ObjectIdentifier,
    days: float,
    now: datetime | None,
    alternatives: Names = (),
) -> Pair:
    _authority(folder)
    pair.key.parent.mkdir(exist_ok=True, mode=0o700)
    public = _new_key(pair.key).public_key()
    made = _certified(
        folder, common_name, public, usage=usage, days=days, now=now, alternatives=alternatives
    )
    _write(pair.cert, made)
    return pair


def _certified(
    folder: Path,
    common_name: str,
    key: ec.EllipticCurvePublicKey,
    *,
    usage: x509.ObjectIdentifier,
    days: float,
    now: datetime | None,
    alternatives: Names = (),
) -> x509.Certificate:
    ca_cert, ca_key = _authority(folder)
    builder = _builder(_name(common_name), ca_cert.subject, key, days, now)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    names = list(alternatives)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    pair = _pair(folder, "ca")
    try:
        cert = x509.load_pem_x509_certificate(pair.cert.read_bytes())
        key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{folder}: there is no usable authority ({error}); make one with: "
            f"scripts/lab-ca init {folder}"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadInputError(f"{pair.key}: not a key that scripts/lab-ca init has made")
    return cert, key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    days: float,
    now: datetime | None,
) -> x509.CertificateBuilder:
    begin = now or datetime.now(UTC)
    builder = x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=begin - CLOCK_SKEW,
        not_valid_after=begin + timedelta(days=days),
    )
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not host or not host.isascii() or any(c.isspace() or c in "/:*" for c in host):
        raise BadInputError(
            f"--host {host!r}: not a host name or address; e.g. --host broker.example.org"
        )
    return x509.DNSName(host)


def _checked(name: str, what: str) -> str:
    try:
        return checked_name(name, what)
    except ValueError as error:
        raise BadInputError(f"{error}; e.g. lobby-001") from None


def _pair(folder: Path, stem: str) -> Pair:
    return Pair(folder / f"{stem}.pem", folder / f"{stem}.key")


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Make a private key and write it, for its owner only. Raises BadInputError."""
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        # Created, never opened: what is there stays there.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadInputError(
            f"{path}: there is a key already and it is never overwritten; move it away first"
        ) from None
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written: {error.strerror}") from error
    with os.fdopen(file, "wb") as stream:
        stream.write(text)
    return key


def _write(path: Path, certificate: x509.Certificate) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    draft.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/lab-ca",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(
        required=True, metavar="init | broker | device | backend | sign | enrol"
    )

    def verb(
        name: str, run: Callable[[argparse.Namespace], Pair | Path], days: int
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name)
        sub.add_argument("dir", type=Path, help="the folder of the authority 证书目录")
        sub.add_argument(
            "--days", type=_days, default=days, help=f"valid so long 有效天数 ({days})"
        )
        sub.set_defaults(run=run)
        return sub

    verb("init", lambda o: init(o.dir, o.days), CA_DAYS)
    hosts = verb("broker", lambda o: broker(o.dir, o.host, o.days), BROKER_DAYS)
    hosts.add_argument("--host", action="append", default=[], help="name or address 主机名或地址")
    verb("device", lambda o: device(o.dir, o.dev, o.days), CLIENT_DAYS).add_argument(
        "dev", help="id of the device, e.g. lobby-001 设备编号"
    )
    verb("backend", lambda o: backend(o.dir, o.name, o.days), CLIENT_DAYS).add_argument(
        "name", help="e.g. evaluation 后端名称"
    )
    verb("sign", lambda o: sign_file(o.dir, o.csr, o.days), CLIENT_DAYS).add_argument(
        "csr", type=Path, help="the request, e.g. lobby-001.csr 证书请求文件"
    )
    enrol = verb("enrol", _serve, CLIENT_DAYS)
    enrol.add_argument("--host", action="append", default=[], help="name or address 主机名或地址")
    enrol.add_argument(
        "--listen",
        type=_listen,
        default=("0.0.0.0", 8443),  # noqa: S104  devices come from the network
        help="address:port 监听 (0.0.0.0:8443)",
    )
    return parser


def _serve(options: argparse.Namespace) -> Path:
    with endpoint(options.dir, options.host, options.listen, options.days) as server:
        address, port = server.server_address[:2]
        print(f"listening on {address!s}:{port}, stop with Ctrl-C 按 Ctrl-C 停止", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return options.dir / "devices"


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError("must be an address and a port, e.g. 0.0.0.0:8443")
    return host.strip("[]"), int(port)


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= CA_DAYS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {CA_DAYS}, e.g. 365")
    return int(text)


def main() -> None:
    options = _parser().parse_args()
    try:
        made = options.run(options)
    except LobbyCountError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None
    if isinstance(made, Path):
        print(made)
    else:
        print(f"{made.cert}\n{made.key}  (keep it secret; for its owner only 请妥善保管)")


if __name__ == "__main__":
    main()
