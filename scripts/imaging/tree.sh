# shellcheck shell=bash
# Sourced by scripts/image: the root tree, Debian and what makes it read-only with an overlay.

SUITE=bookworm  # its Python is 3.11, which the wheels are chosen for
PACKAGES=(
  systemd-sysv udev kmod dbus systemd-timesyncd systemd-resolved network-manager iproute2 procps netbase  # a system
  python3 python3-venv libgl1 libglib2.0-0 ca-certificates adduser  # what the product needs, and its next slot
  linux-image-arm64 initramfs-tools zstd e2fsprogs dosfstools fdisk  # boots, checks and grows its partitions
)
declare -A VARIANT_PACKAGES=([virt]="systemd-boot-efi" [pi]="raspi-firmware,firmware-brcm80211,wpasupplicant,wireless-regdb")

debian_tree() {
  local mirror="${DEBIAN_MIRROR:-http://deb.debian.org/debian}" include
  local security="${DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}"
  local components="main non-free-firmware" keys=/usr/share/keyrings/debian-archive-keyring.gpg
  include="$(IFS=,; echo "${PACKAGES[*]}"),${VARIANT_PACKAGES[$VARIANT]}"
  rm -rf "$TREE"
  say "Debian $SUITE for arm64"
  # Files of ours go in before the kernel is configured, so that its initramfs is made once.
  mmdebstrap --quiet --mode=root --architectures=arm64 --variant=minbase --include="$include" \
    --keyring=$keys --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --essential-hook="cp -r '$ROOT/scripts/imaging/root/.' '$TREE/'" \
    --essential-hook="mkdir -p '$TREE/boot/firmware' '$TREE/data'" \
    "$SUITE" "$TREE" \
    "deb [signed-by=$keys] $mirror $SUITE $components" \
    "deb [signed-by=$keys] $mirror $SUITE-updates $components" \
    "deb [signed-by=$keys] $security $SUITE-security $components" \
    || die "mmdebstrap failed; is a Debian mirror reachable?"
}

# What differs between two builds of the same packages, and what every device must not share.
finish_tree() {
  local units="$TREE/etc/systemd/system"
  # shellcheck disable=SC2016 # dpkg-query's own variables
  chroot "$TREE" dpkg-query -W -f '${Package}\t${Version}\t${Architecture}\t${source:Package}\n' | sort >"$TREE/usr/share/lobbycount-packages.tsv"
  : >"$TREE/etc/machine-id"
  echo lobbycount >"$TREE/etc/hostname"
  printf '127.0.0.1 localhost lobbycount\n::1 localhost\n' >"$TREE/etc/hosts"
  ln -sf ../run/systemd/resolve/stub-resolv.conf "$TREE/etc/resolv.conf"
  ln -sf /dev/null "$units/apt-daily.timer"
  ln -sf /dev/null "$units/apt-daily-upgrade.timer"
  ln -sf /dev/null "$units/dpkg-db-backup.timer"
  ln -sf /dev/null "$units/e2scrub_all.timer"
  rm -f "$TREE/etc/NetworkManager/dispatcher.d/01-ifupdown"  # of a package that is not here
  mkdir -p "$units/multi-user.target.wants" "$units/sysinit.target.wants"
  ln -sf /lib/systemd/system/systemd-resolved.service "$units/multi-user.target.wants/"
  rm -rf "$TREE"/var/cache/{apt,ldconfig,debconf}/* "$TREE"/var/lib/apt/lists/* "$TREE"/var/log/* \
    "$TREE"/tmp/* "$TREE"/var/lib/dpkg/*-old "$TREE"/etc/*- "$TREE"/root/.[!.]* \
    "$TREE"/var/lib/systemd/{random-seed,catalog/database} "$TREE"/run/*
  mkdir -p "$TREE/var/log/journal" && rmdir "$TREE/var/log/journal"
  compile_python
  find "$TREE" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# What Debian and pip compiled names the date of its source, and every date is set to one later: all of
# it would be compiled again at each start. The same Python here is faster than one that is emulated.
compile_python() {
  local magic='import importlib.util; print(importlib.util.MAGIC_NUMBER.hex())' folder
  local here=(chroot "$TREE" python3) from="" folders=(/usr/lib/python3.11 /usr/lib/python3 /usr/share/python3 /opt/lobbycount/a/lib)
  if [ "$("$PYTHON" -c "$magic")" = "$(chroot "$TREE" python3 -c "$magic")" ]; then here=("$PYTHON") from="$TREE"; fi
  for folder in "${folders[@]}"; do
    find "$TREE$folder" -name '*.pyc' -delete
    # Some files are meant to be wrong (tests of compilers): they stay as they are.
    "${here[@]}" -m compileall -q -f -j1 --invalidation-mode unchecked-hash -s "$from" -p / "$from$folder" >/dev/null || true
  done
}
