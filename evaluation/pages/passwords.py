"""Passwords, kept as slow hashes that name their parameters: `scrypt$n$r$p$salt$hash`.

32 MiB and some 250 ms on a small server: OWASP's password storage cheat sheet gives n = 2^15,
r = 8, p = 3 as one of the equals of its first choice. One at a time, so that a flood of logins
takes neither the memory nor every processor.
"""

import hashlib
import hmac
import secrets
import threading

from edge.errors import BadInputError

SHORTEST, LONGEST = 12, 128
_N, _R, _P = 2**15, 8, 3
_MOST_BYTES = 64 * 2**20
_SALT_BYTES = 16
_ONE_AT_A_TIME = threading.Lock()


def checked_password(password: str, name: str) -> str:
    """Return a password that may be set. Raises BadInputError."""
    if not SHORTEST <= len(password) <= LONGEST or not password.isprintable():
        raise BadInputError(
            f"a password has {SHORTEST} to {LONGEST} characters, e.g. four words that do not belong"
            f" together 密码应为 {SHORTEST} 到 {LONGEST} 个字符，例如四个互不相关的词"
        )
    if name.lower() in password.lower() or len(set(password)) < 5:
        raise BadInputError(
            "the password holds the name, or hardly any different characters"
            " 密码不能包含用户名，也不能只有几种字符"
        )
    return password


def hashed(password: str) -> str:
    """Return what is kept of a password."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${_N}${_R}${_P}${salt.hex()}${_hash(password, salt, _N, _R, _P).hex()}"


def is_password(tried: str, kept: str | None) -> bool:
    """Whether it is the one; takes as long where there is none."""
    try:
        _, n, r, p, salt, expected = (kept or _NONE).split("$")
        made = _hash(tried[: 2 * LONGEST], bytes.fromhex(salt), int(n), int(r), int(p))
    except ValueError:
        return False
    return hmac.compare_digest(made.hex(), expected)


def _hash(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    with _ONE_AT_A_TIME:
        return hashlib.scrypt(
            password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=_MOST_BYTES
        )


_NONE = f"scrypt${_N}${_R}${_P}${'00' * _SALT_BYTES}$-"
"""Nobody's: no hash is `-`."""
