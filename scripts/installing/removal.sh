# shellcheck shell=bash
# Sourced by scripts/install: --uninstall. Records, keys and config stay unless --purge.

remove_all() {
  confirm_purge
  stop_services
  remove "$FIRST_BOOT_WANTED"
  remove_files
  remove_user
  [ -z "$PURGE" ] || purge
  if [ -n "$DRY" ] || [ "$CHANGES" = 0 ]; then report_removal; return; fi
  if [ -n "$PURGE" ]; then
    say "已卸载，数据也已删除。 Uninstalled, the data too."
  else
    say "已卸载。保留：$DATA（记录、密钥）和 $SETTINGS（配置、证书）。 Uninstalled. What stays: $DATA (records, keys) and $SETTINGS (config, certificates)."
  fi
}

report_removal() {
  if [ "$CHANGES" = 0 ]; then say "没有安装，无需卸载。 Not installed, nothing to remove."; else report; fi
}

confirm_purge() {
  local answer
  [ -n "$PURGE" ] && [ -z "$YES" ] && [ -z "$DRY" ] || return 0
  [ -t 0 ] || die "--purge 会删除还没送出的记录和设备密钥；没有终端时要加 --yes" \
    "--purge deletes records that were not sent and the device's key; without a terminal it needs --yes"
  printf '将删除 %s 和 %s：记录、设备密钥、配置，不能恢复。输入 YES 继续。\nThis deletes %s and %s: records, the device key, config, for ever. Type YES to go on: ' "$DATA" "$SETTINGS" "$DATA" "$SETTINGS"
  read -r answer
  [ "$answer" = YES ] || die "没有确认，什么也没有删除" "not confirmed, nothing was removed"
}

stop_services() {
  local service
  for service in $(running_services); do
    change "停止 $service" "stop $service" systemctl stop "$service"
  done
  ! is_running lobbycount-update.path || change "停止升级" "stop updates" systemctl stop lobbycount-update.path
}

remove() {
  { [ ! -e "$1" ] && [ ! -L "$1" ]; } || change "删除 $1" "remove $1" rm -rf "$1"
}

remove_files() {
  local name
  for name in "$UNITS"/*.wants/lobbycount.service "$UNITS"/*.wants/lobbycount@*.service "$UNITS"/*.wants/lobbycount-update.*; do remove "$name"; done
  for name in "${UNIT_NAMES[@]}"; do remove "$UNITS/$name"; done
  remove "$JOURNAL"
  remove "$UDEV_RULE"
  remove "$DATA/update"
  [ -n "$DRY" ] || rmdir -p --ignore-fail-on-non-empty "$UNITS/multi-user.target.wants" "$(dirname "$JOURNAL")" 2>/dev/null || true
  [ "$(readlink "$COMMAND")" != "$HOME_DIR/bin/lobbycount" ] || remove "$COMMAND"
  if [ -e "$OWN_PACKAGES" ]; then remove_packages; fi
  remove "$HOME_DIR"
  if has_systemd && [ -z "$DRY" ]; then
    systemctl daemon-reload
    systemctl try-restart systemd-journald
  fi
}

# Only what the installation brought, and only while nothing else has come to need it.
remove_packages() {
  local ours=() name
  while read -r name; do if is_installed "$name"; then ours+=("$name"); fi; done < "$OWN_PACKAGES"
  [ ${#ours[@]} -gt 0 ] || return 0
  apt-get purge -s "${ours[@]}" 2>/dev/null | sed -n 's/^\(Purg\|Remv\) \([^ :]*\).*/\2/p' | sort > "$SCRATCH/going"
  printf '%s\n' "${ours[@]}" | sort | comm -13 - "$SCRATCH/going" > "$SCRATCH/others"
  if [ -s "$SCRATCH/others" ]; then
    note "有别的软件要用，保留软件包：${ours[*]}" "other software needs them, these packages stay: ${ours[*]}"
    return
  fi
  change "卸载当初装上的 ${#ours[@]} 个软件包" "remove the ${#ours[@]} packages that were installed for it" \
    purge_packages "${ours[@]}"
}

purge_packages() {
  DEBIAN_FRONTEND=noninteractive apt-get purge -y "$@" > "$SCRATCH/apt" 2>&1 \
    || note "软件包没有全部卸载：$*" "not all packages could be removed: $*"
}

# Its number may be given to another user one day, who must not find its data its own.
remove_user() {
  [ -z "$PREFIX" ] && id "$USER_NAME" >/dev/null 2>&1 || return 0
  change "保留的数据交给 root" "give the data to root" give_data root:root
  change "删除用户 $USER_NAME" "remove the user $USER_NAME" userdel "$USER_NAME"
}

purge() {
  remove "$DATA"
  remove "$SETTINGS"
}
