# shellcheck shell=bash
# Sourced by scripts/install: packages, user, folders, config, units, the service.

UNIT_NAMES=(lobbycount.service lobbycount@.service)
OWN_PACKAGES="$HOME_DIR/debian-packages"

has_systemd() { [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; }
is_running() { has_systemd && systemctl is-active --quiet "$1"; }

# As the service's user; in --prefix, as whoever runs this.
as_user() {
  if [ -n "$PREFIX" ] || ! id "$USER_NAME" >/dev/null 2>&1; then "$@"; else runuser -u "$USER_NAME" -- "$@"; fi
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
installed_packages() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort; }

refresh_lists() {
  [ -z "${REFRESHED:-}" ] || return 0
  REFRESHED=yes
  [ -z "$OFFLINE" ] && [ "$(id -u)" = 0 ] || return 0
  apt-get update -qq > "$SCRATCH/apt" 2>&1 || true
}

debian_packages() {
  local missing=() name
  [ -z "$PREFIX" ] || return 0
  if ! command -v dpkg-query >/dev/null; then
    note "不是 Debian 系统：请自行安装 ${PACKAGES[*]} 对应的软件包" "no Debian: install the equivalent of ${PACKAGES[*]} yourself"
    return 0
  fi
  for name in "${PACKAGES[@]}"; do
    # Ubuntu 24.04 has libglib2.0-0 under another name.
    is_installed "$name" || is_installed "${name}t64" || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] || change "安装软件包 ${missing[*]}" "install the packages ${missing[*]}" install_packages "${missing[@]}"
  find_python || [ -n "$DRY" ] || die "装了软件包仍没有 Python 3.11" "there is no Python 3.11 even now"
}

# Installs, and remembers what was not here before: that goes again at the end.
install_packages() {
  [ -z "$OFFLINE" ] || die "缺少软件包 $*，--offline 不能下载。先联网运行：sudo apt-get install $*" \
    "$* is missing, and --offline cannot fetch it. With network: sudo apt-get install $*"
  check_room "$HOME_DIR" "$ROOM_WITH_PACKAGES_MB"
  installed_packages > "$SCRATCH/before"
  refresh_lists
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" > "$SCRATCH/apt" 2>&1 \
    || no_network "apt-get install $*" "$SCRATCH/apt"
  install -d "$HOME_DIR"
  installed_packages | comm -13 "$SCRATCH/before" - >> "$OWN_PACKAGES"
}

make_user() {
  local group
  [ -z "$PREFIX" ] || return 0
  if ! id "$USER_NAME" >/dev/null 2>&1; then
    change "建立用户 $USER_NAME" "make the user $USER_NAME" \
      useradd --system --user-group --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin "$USER_NAME"
    # What an uninstalled counter left belongs to root until now.
    if [ -e "$DATA" ] || [ -e "$SETTINGS" ]; then
      change "保留的数据交给 $USER_NAME" "give the data that was kept to $USER_NAME" give_data "$USER_NAME:$USER_NAME"
    fi
  fi
  # Cameras; render is where newer JetPack has the GPU.
  for group in video render; do
    getent group "$group" >/dev/null || continue
    id -nG "$USER_NAME" 2>/dev/null | grep -qw "$group" && continue
    change "$USER_NAME 加入 $group 组" "put $USER_NAME into the group $group" usermod -aG "$group" "$USER_NAME"
  done
}

give_data() {
  local folder
  for folder in "$DATA" "$SETTINGS"; do
    [ ! -e "$folder" ] || chown -Rh "$1" "$folder"
  done
}

make_folders() {
  local owner=()
  [ -n "$PREFIX" ] || owner=(-o "$USER_NAME" -g "$USER_NAME")
  [ -d "$SETTINGS" ] || change "建立 $SETTINGS" "make $SETTINGS" install -d -m 750 "${owner[@]}" "$SETTINGS"
  [ -d "$DATA" ] || change "建立 $DATA" "make $DATA" install -d -m 700 "${owner[@]}" "$DATA"
  # Passwords and keys are in there; a folder made by hand is often open to all.
  [ -z "$(find "$SETTINGS" "$DATA" -maxdepth 0 -perm /007 2>/dev/null)" ] \
    || change "$SETTINGS 和 $DATA 不让其他用户读" "close $SETTINGS and $DATA to others" chmod o= "$SETTINGS" "$DATA"
}

# Before anything is changed, so that a wrong name costs nothing.
read_given_config() {
  [ -z "$CONFIG" ] || [ -r "$CONFIG" ] || die "--config $CONFIG：没有这个文件，或读不了" "--config $CONFIG: there is no such file, or it cannot be read"
}

put_config() {
  local target="$SETTINGS/lobby.yaml" source="${CONFIG:-$ROOT/config/lobby.example.yaml}" owner=()
  [ -n "$PREFIX" ] || owner=(-o "$USER_NAME" -g "$USER_NAME")
  if [ ! -e "$target" ]; then
    if [ -n "$CONFIG" ] && [ -z "$DRY" ]; then
      cp "$CONFIG" "$SCRATCH/given.yaml"
      "$NEW_PROGRAM" check "$SCRATCH/given.yaml" || die "$CONFIG 有错，没有装上。照上面改好再运行" "$CONFIG has mistakes and was not installed. Mend them, then run this again"
    fi
    change "写入 $target" "write $target" install -m 640 "${owner[@]}" "$source" "$target"
  elif [ -n "$CONFIG" ] && ! cmp -s "$CONFIG" "$target"; then
    note "$target 已有，保留不动；要换：sudo install -o $USER_NAME -g $USER_NAME -m 640 $CONFIG $target" \
      "$target is there and stays as it is; to replace it: sudo install -o $USER_NAME -g $USER_NAME -m 640 $CONFIG $target"
  fi
}

put_units() {
  local name before="$CHANGES" wanted="$UNITS/multi-user.target.wants/lobbycount.service"
  install -d "$SCRATCH/units"
  for name in "${UNIT_NAMES[@]}"; do [ ! -e "$UNITS/$name" ] || cp -a "$UNITS/$name" "$SCRATCH/units"; done
  for name in "${UNIT_NAMES[@]}"; do put "$ROOT/config/systemd/$name" "$UNITS/$name"; done
  [ "$before" = "$CHANGES" ] || UNITS_CHANGED=yes
  # A link is what `systemctl enable` makes, and needs no systemd: an image is built without.
  [ -L "$wanted" ] || change "开机启动" "start at boot" link /etc/systemd/system/lobbycount.service "$wanted"
  [ "$before" = "$CHANGES" ] || ! has_systemd || [ -n "$DRY" ] || systemctl daemon-reload
}

# Those of the version before, with which its program is known to start.
put_units_back() {
  cp -a "$SCRATCH/units/." "$UNITS"
  systemctl daemon-reload
}

link() { install -d "$(dirname "$2")" && ln -sfn "$1" "$2"; }

put_journal_limits() {
  local before="$CHANGES"
  put "$ROOT/config/journald/lobbycount.conf" "$JOURNAL"
  [ "$before" = "$CHANGES" ] || ! has_systemd || [ -n "$DRY" ] || systemctl try-restart systemd-journald
}

put_command() {
  [ "$(readlink "$COMMAND")" = "$HOME_DIR/bin/lobbycount" ] \
    || change "写入 $COMMAND" "write $COMMAND" link "$HOME_DIR/bin/lobbycount" "$COMMAND"
}

start_service() {
  warn_of_swap
  [ -z "$DRY" ] || return 0
  if ! has_systemd; then
    [ -n "$PREFIX" ] || note "systemd 没有运行：下次开机时启动" "systemd does not run here: it starts at the next boot"
  elif ! is_running lobbycount; then
    note "改好 $SETTINGS/lobby.yaml，检查，然后启动：sudo -u $USER_NAME lobbycount check $SETTINGS/lobby.yaml && sudo systemctl restart lobbycount" \
      "edit $SETTINGS/lobby.yaml, check it and start: the command in the line above"
  fi
}

# MemorySwapMax needs the memory controller, which Raspberry Pi OS leaves out at boot.
warn_of_swap() {
  [ -z "$PREFIX" ] && [ "$(awk 'NR > 1 && $1 !~ /zram/' /proc/swaps 2>/dev/null)" ] || return 0
  grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null && return
  note "交换区开着，内核不能让服务避开它：在 /boot/firmware/cmdline.txt 行尾加 cgroup_enable=memory 再重启，或关闭交换区" \
    "swap is on and this kernel cannot keep the service out of it: append cgroup_enable=memory to the line in /boot/firmware/cmdline.txt and reboot, or turn swap off"
}
