# shellcheck shell=bash
# Sourced by scripts/install: setting up from provision.yaml on the boot partition.

FIRST_BOOT=lobbycount-provision.service
FIRST_BOOT_WANTED="$UNITS/multi-user.target.wants/$FIRST_BOOT"

# On request, or where an installer has left the file; once there, it is upgraded and removed.
wants_first_boot() {
  [ -n "$PROVISION" ] || [ -e "$UNITS/$FIRST_BOOT" ] || compgen -G "$PREFIX/boot/firmware/provision.[yt]*" >/dev/null
}
! wants_first_boot || UNIT_NAMES+=("$FIRST_BOOT")

start_first_boot() {
  wants_first_boot || return 0
  [ -L "$FIRST_BOOT_WANTED" ] \
    || change "开机时按 provision.yaml 设置" "set up from provision.yaml at boot" link "/etc/systemd/system/$FIRST_BOOT" "$FIRST_BOOT_WANTED"
  [ -n "$DRY" ] || ! has_systemd || is_running lobbycount || note \
    "按启动分区的 provision.yaml 设置：sudo systemctl start lobbycount-provision，或重启；结果在 provision-result.txt" \
    "to set it up from provision.yaml on the boot partition: sudo systemctl start lobbycount-provision, or reboot; how it went is in provision-result.txt"
}
