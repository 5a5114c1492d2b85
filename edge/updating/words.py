"""Why an update was refused or taken back, as a code for programs and in words for people."""

from collections.abc import Mapping
from enum import StrEnum

from edge.errors import UpdateError


class Code(StrEnum):
    """What became of an update; `reason` in report.json. New ones may be added."""

    NOT_A_BUNDLE = "not_a_bundle"
    FORMAT = "format"
    TAMPERED = "tampered"
    NO_KEYS = "no_keys"
    UNKNOWN_KEY = "unknown_key"
    PLATFORM = "platform"
    NOT_NEWER = "not_newer"
    DOWNGRADE = "downgrade"
    REQUIRES = "requires"
    DATA_FORMAT = "data_format"
    WHEELS_MISSING = "wheels_missing"
    NO_ROOM = "no_room"
    INSTALL = "install"
    SELF_TEST = "self_test"
    INTERRUPTED = "interrupted"
    NOT_CONFIRMED = "not_confirmed"
    KEEPS_FAILING = "keeps_failing"
    RESTARTS = "restarts"
    BY_HAND = "by_hand"


_WORDS: Mapping[Code, tuple[str, str]] = {
    Code.NOT_A_BUNDLE: (
        "不是升级包（{what}）；升级包是 scripts/bundle 生成的 .lcu 文件，请重新复制",
        "it is no update bundle ({what}); one is a .lcu file made by scripts/bundle, copy it again",
    ),
    Code.FORMAT: (
        "升级包的格式本程序不认识（{what}）；请先升级到中间版本",
        "this program does not know the bundle's format ({what}); update to a version between",
    ),
    Code.TAMPERED: (
        "升级包与签名不符（{what}），可能传输损坏或被改动；请重新下载或复制",
        "the bundle is not what was signed ({what}): damaged or changed; fetch it again",
    ),
    Code.NO_KEYS: (
        "本机没有信任的升级公钥，不能升级；安装公钥：sudo scripts/install --update-key 文件.pem",
        "no key for updates is trusted here, so there are none; trust one with"
        " sudo scripts/install --update-key FILE.pem",
    ),
    Code.UNKNOWN_KEY: (
        "升级包由本机不信任的密钥 {what} 签名",
        "the bundle is signed with the key {what}, which is not trusted here",
    ),
    Code.PLATFORM: (
        "升级包用于 {what}，本机是 {here}",
        "the bundle is for {what}, this machine is {here}",
    ),
    Code.NOT_NEWER: (
        "版本 {what} 已在使用",
        "version {what} is in use already",
    ),
    Code.DOWNGRADE: (
        "版本 {what} 低于本机确认过的 {here}；确实要用，请到现场以 root 运行"
        " lobbycount update apply --allow-older",
        "version {what} is older than {here}, which worked here; if that is wanted, by hand as"
        " root: lobbycount update apply --allow-older",
    ),
    Code.REQUIRES: (
        "要先升级到 {what}，本机是 {here}",
        "it takes a device that has {what} or newer, this one has {here}: update to that first",
    ),
    Code.DATA_FORMAT: (
        "新版本写的数据格式 {what} 本机版本（{here}）读不了，升级后将无法退回；请先升级到中间版本",
        "it writes data of format {what}, which the version here ({here}) could not read if it had"
        " to come back; update to a version between first",
    ),
    Code.WHEELS_MISSING: (
        "这个升级包不含本机缺少的软件包（{what}）；请用完整的升级包",
        "the bundle leaves out packages that are not here ({what}); take the full bundle",
    ),
    Code.NO_ROOM: (
        "磁盘空间不足：剩 {here} MB，需要 {what} MB；请清理（journalctl --vacuum-size=50M）",
        "the disk is too full: {here} MB are free, {what} MB are needed; make room"
        " (journalctl --vacuum-size=50M)",
    ),
    Code.INSTALL: (
        "新版本装不上：{what}",
        "the new version could not be installed: {what}",
    ),
    Code.SELF_TEST: (
        "新版本自检没有通过：{what}",
        "the new version failed its self-test: {what}",
    ),
    Code.INTERRUPTED: (
        "安装多次被打断（断电？），不再尝试；请检查电源后重新放入升级包",
        "the installation was cut short again and again (power?) and is not tried any more; look"
        " at the power supply, then give the bundle again",
    ),
    Code.NOT_CONFIRMED: (
        "新版本在 {what} 秒内没有正常工作（画面、记录或服务器连接），已退回原来的版本",
        "the new version did not do its work within {what} s (pictures, records, the broker it"
        " reached before); the version before is back",
    ),
    Code.KEEPS_FAILING: (
        "新版本反复启动失败（{what}），已退回原来的版本",
        "the new version failed again and again ({what}); the version before is back",
    ),
    Code.RESTARTS: (
        "试用期间设备重启了 {what} 次，已退回原来的版本",
        "the device was started {what} times while the version was tried; the version before is"
        " back",
    ),
    Code.BY_HAND: (
        "已按要求退回原来的版本",
        "the version before is back, as was asked for",
    ),
}


def words(code: Code, what: object = "", here: object = "") -> tuple[str, str]:
    """Return the sentence in Chinese and in English. what, here: what the code speaks of."""
    zh, en = _WORDS[code]
    return zh.format(what=what, here=here), en.format(what=what, here=here)


def refusal(code: Code, what: object = "", here: object = "") -> UpdateError:
    """Return the error to raise."""
    return UpdateError(str(code), *words(code, what, here))
