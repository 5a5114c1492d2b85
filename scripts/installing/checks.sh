# shellcheck shell=bash
# Sourced by scripts/install: whether this machine can run the counter, before anything is changed.

OLDEST_PYTHON="3, 11"
# Measured: a slot takes 424 MB, what pip downloads 120 MB meanwhile; Debian's packages 240 MB, and 64 MB.
ROOM_MB=600
ROOM_WITH_PACKAGES_MB=900
PACKAGES=(libgl1 libglib2.0-0)  # what opencv-python links to

check_system() {
  [ "$(uname -s)" = Linux ] || die "需要 Linux，这里是 $(uname -s)" "Linux is needed, this is $(uname -s)"
  case "$(uname -m) $(getconf LONG_BIT)" in
    "x86_64 64" | "aarch64 64" | "arm64 64") ;;
    *) die "不支持 $(uname -m)（$(getconf LONG_BIT) 位）：所用的库没有 32 位（armv7、i386）版本。请改装 64 位系统，例如 Raspberry Pi OS 64-bit（树莓派 3、4、5 都可以）。" \
      "$(uname -m) with $(getconf LONG_BIT)-bit programs is not supported: the libraries do not exist for 32 bits (armv7, i386). Use a 64-bit system, e.g. Raspberry Pi OS 64-bit (Pi 3, 4 and 5 can)." ;;
  esac
}

check_root() {
  [ -z "$PREFIX" ] && [ -z "$DRY" ] && [ "$(id -u)" != 0 ] || return 0
  die "要以 root 运行：sudo scripts/install" "root is needed: sudo scripts/install"
}

one_at_a_time() {
  local folder="$PREFIX/opt"
  [ -d "$folder" ] || folder="${PREFIX:-/}"
  [ -d "$folder" ] || return 0
  exec 9< "$folder"
  flock -n 9 || die "另一个安装正在运行，等它结束" "another installation is running, wait for it"
}

# Sets PYTHON to one that is new enough, installed if Debian has it.
check_python() {
  local version
  if find_python; then
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null && return
    version="$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    if [ "$(command -v python3)" = "$PYTHON" ]; then PACKAGES+=(python3-venv); else PACKAGES+=("python$version-venv"); fi
    return
  fi
  for version in "" 3.14 3.13 3.12 3.11; do
    is_offered "python$version" "${version:-3}" || continue
    PACKAGES+=("python${version:-3}" "python${version:-3}-venv")
    return
  done
  die "Python 太旧：$(python3 --version 2>&1)，需要 3.11 以上。请用 Debian 12、Raspberry Pi OS (Bookworm)、Ubuntu 24.04 或更新的系统；Ubuntu 22.04 / JetPack 6：sudo apt-get install python3.11 python3.11-venv" \
    "Python is too old: $(python3 --version 2>&1), 3.11 or newer is needed. Use Debian 12, Raspberry Pi OS (Bookworm), Ubuntu 24.04 or newer; Ubuntu 22.04 / JetPack 6: sudo apt-get install python3.11 python3.11-venv"
}

find_python() {
  local name
  for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if PYTHON="$(command -v "$name")" && "$PYTHON" -c "import sys; sys.exit(sys.version_info < ($OLDEST_PYTHON))" 2>/dev/null; then
      return 0
    fi
  done
  return 1
}

# Whether Debian's lists offer a Python new enough: python3 by its version, others by their name.
is_offered() {
  local offered
  [ -z "$PREFIX" ] && command -v apt-cache >/dev/null || return 1
  refresh_lists
  offered="$(apt-cache policy "${1/%python/python3}" 2>/dev/null | sed -n 's/^ *Candidate: *//p')"
  [ -n "$offered" ] && [ "$offered" != "(none)" ] && dpkg --compare-versions "$offered" ge 3.11
}

# check_room FOLDER [MB]
check_room() {
  local free_mb folder="$1" wanted_mb="${2:-$ROOM_MB}"
  while [ ! -e "$folder" ]; do folder="$(dirname "$folder")"; done
  free_mb="$(df -Pm "$folder" | awk 'NR == 2 {print $4}')"
  [ "$free_mb" -ge "$wanted_mb" ] && return
  die "磁盘空间不足：$folder 只剩 $free_mb MB，需要 $wanted_mb MB。清理（sudo apt-get clean；journalctl --vacuum-size=50M）或换大一些的存储卡。" \
    "the disk is too full: $free_mb MB are free in $folder, $wanted_mb MB are needed. Make room (sudo apt-get clean; journalctl --vacuum-size=50M) or use a larger card."
}

# no_network WHAT FILE: what a tool of Debian's or Python's said, and what to do.
no_network() {
  tail -n 5 "$2" >&2
  if grep -qi 'no space left' "$2"; then
    die "磁盘满了，需要 $ROOM_MB MB" "the disk is full, $ROOM_MB MB are needed"
  elif grep -qi 'do not match the hashes' "$2"; then
    die "下载的文件与 requirements.lock 的哈希不符，没有安装。换一个软件源再试，并告知开发者。" \
      "a downloaded file is not the one in requirements.lock, nothing was installed. Try another index, and tell the developers."
  elif [ -n "$OFFLINE" ]; then
    die "$OFFLINE 里缺少软件包。在同样的系统上联网运行 scripts/install --fetch 文件夹，再复制过来。" \
      "$OFFLINE lacks a package. With network, on the same kind of system: scripts/install --fetch FOLDER, and copy it here."
  fi
  die "无法下载（$1）。检查网络、DNS 和时间（date），再运行一次；没有网络时用 --offline。" \
    "it cannot be downloaded ($1). Check the network, DNS and the clock (date), and run this again; without network use --offline."
}
