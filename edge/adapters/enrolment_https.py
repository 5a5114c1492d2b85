"""Asking an enrolment endpoint for a certificate: one HTTPS POST, pinned to one authority."""

import json
import ssl
from http.client import HTTPException, HTTPSConnection
from socket import gaierror
from urllib.parse import urlsplit

from edge.errors import ClockError, EnrolmentError, NoNetworkError

TIMEOUT_S = 20.0
_LONGEST = 65_536
_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_… of OpenSSL
_REFUSED = {
    403: "the token does not belong to this device.id; copy both again from the file that the"
    " office made for this device, or ask for a new token\n"
    "    令牌与设备编号 (device.id) 不符：请重新复制办公室为本设备生成的文件，或申请新的令牌",
    409: "the token was used already, by another device or before this card was written anew; ask"
    " for a new one\n"
    "    令牌已被使用过（另一台设备，或本卡重新写过）：请申请新的令牌",
}


def enrol(url: str, ca: bytes, dev: str, token: str, csr: bytes) -> bytes:
    """Return the certificate (PEM) that the endpoint gives for a request and a token.

    ca: the only authority that may vouch for the endpoint. Raises EnrolmentError when it refuses,
    NoNetworkError when it cannot be reached or is busy, ClockError when the clock is wrong.
    """
    body = json.dumps({"id": dev, "token": token, "csr": csr.decode()}).encode()
    try:
        status, answer = _post(url, ca, body)
    except ssl.SSLCertVerificationError as error:
        raise _unverified(url, error) from None
    except (OSError, HTTPException, ValueError) as error:
        raise NoNetworkError(_unreachable(url, error)) from None
    if status == 200:
        return answer
    if status in _REFUSED:
        raise EnrolmentError(f"enrolment.token: {_REFUSED[status]}")
    if status == 429 or status >= 500:
        raise NoNetworkError(
            f"{url}: is busy or has a fault (HTTP {status})\n"
            f"    注册服务器忙或有故障 (HTTP {status})"
        )
    raise EnrolmentError(
        f"enrolment.url: {url} does not take the request (HTTP {status}); is the address that of"
        " the enrolment endpoint, e.g. https://broker.example.org:8443/enrol\n"
        "    注册地址不正确：应是注册服务器的地址"
    )


def _post(url: str, ca: bytes, body: bytes) -> tuple[int, bytes]:
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nobody is trusted but who is named next
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca.decode("ascii", "replace"))
    connection = HTTPSConnection(
        parts.hostname or "", parts.port or 443, timeout=TIMEOUT_S, context=context
    )
    try:
        connection.request("POST", parts.path or "/", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST)
    finally:
        connection.close()


def _unreachable(url: str, error: Exception) -> str:
    """Say why nobody answered, in the words of who can look after it."""
    reason = getattr(error, "strerror", None) or type(error).__name__
    parts = urlsplit(url)
    known: dict[type[Exception], tuple[str, str]] = {
        gaierror: (
            f"the name {parts.hostname} is not known; no network, or a mistake in it or in dns",
            f"找不到 {parts.hostname}：没有网络，或名称、域名服务器 (dns) 写错",
        ),
        ConnectionRefusedError: (
            "it is there, but nothing listens at that port; a wrong port, or the endpoint is off",
            "服务器在，但该端口没有服务：端口写错，或注册服务没有启动",
        ),
        TimeoutError: (
            "no answer; a wrong address or gateway, or a firewall is in between",
            "没有回应：地址或网关写错，或被防火墙拦住",
        ),
    }
    en, zh = next(
        (said for kind, said in known.items() if isinstance(error, kind)),
        ("no way there; cable, wireless network or gateway", "没有通路：请检查网线、无线或网关"),
    )
    return f"{url}: cannot be reached ({reason}): {en}\n    {zh}"


def _unverified(url: str, error: ssl.SSLCertVerificationError) -> Exception:
    if error.verify_code == _NOT_YET_VALID:
        return ClockError(f"{url}: its certificate is not valid yet by this device's clock")
    if error.verify_code == _EXPIRED:
        return ClockError(f"{url}: its certificate has expired, by this device's clock")
    return EnrolmentError(
        f"enrolment.url: who answers at {url} is not vouched for by broker.ca"
        f" ({error.verify_message}); use the ca.pem of that authority, and the name in its"
        " certificate\n"
        "    注册服务器的证书与 broker.ca 不符：请使用同一机构的 ca.pem，并核对服务器名称"
    )
