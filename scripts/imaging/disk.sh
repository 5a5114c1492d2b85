# shellcheck shell=bash
# Sourced by scripts/image: the tree as partitions of one file. Nothing is mounted but memory.

LABEL_ID=0x6c6f6262  # of the partition table; every identity is fixed, so that images can be compared
BOOT_ID=4c435054
ROOT_UUID=6c6f6262-7963-4f75-8e74-000000000001
DATA_UUID=6c6f6262-7963-4f75-8e74-000000000002
APP_UUID=6c6f6262-7963-4f75-8e74-000000000003
BOOT_MIB=256
APP_MIB=1536  # two slots of 430 MB, their wheels, and a bundle with what pip unpacks of it
DATA_MIB=1024  # at least: it grows to the card. What fills it leaves the system alone

make_disk() {
  local work="$OUT/work-$VARIANT" root_mib app_at data_at
  rm -rf "$work" && mkdir -p "$work/boot" "$work/data"/{etc,state,timesync,network}
  say "Partitions"
  boot_files "$work/boot"
  boot_partition "$work/boot" "$work/boot.img"
  chown 990:990 "$work/data/state" "$work/data/etc"
  chmod 750 "$work/data/state" "$work/data/etc"
  chmod 700 "$work/data/network"
  ext4 lc-data $DATA_UUID $DATA_MIB "$work/data" "$work/data.img"
  install_update_keys
  ext4 lc-app $APP_UUID $APP_MIB "$TREE/opt/lobbycount" "$work/app.img"
  root_mib=$(($(du -sm --apparent-size --exclude="$TREE/opt/lobbycount/*" --exclude="$TREE/boot/*" "$TREE" | cut -f1) * 115 / 100 + 64))
  ext4 lc-root $ROOT_UUID $root_mib "$TREE" "$work/root.img" './boot/*-arm64' './boot/firmware/*' './opt/lobbycount/*'
  app_at=$((1 + BOOT_MIB + root_mib)) data_at=$((1 + BOOT_MIB + root_mib + APP_MIB))
  rm -f "$IMAGE" && truncate -s $((data_at + DATA_MIB + 1))M "$IMAGE"
  partition_table $root_mib | sfdisk --quiet "$IMAGE"
  into_image "$work/boot.img" 1
  into_image "$work/root.img" $((1 + BOOT_MIB))
  into_image "$work/app.img" $app_at
  into_image "$work/data.img" $data_at
  "$PYTHON" "$ROOT/scripts/imaging/sbom.py" "$TREE" --name "lobbycount-$VARIANT" >"$OUT/lobbycount-$VARIANT.cdx.json"
  rm -rf "$work"
}

# What sfdisk is told, for a root of so many MiB.
partition_table() {
  local at=1 size type=ef number=0
  [ "$VARIANT" = virt ] || type=c
  printf 'label: dos\nlabel-id: %s\n' $LABEL_ID
  for size in $BOOT_MIB "$1" $APP_MIB $DATA_MIB; do
    number=$((number + 1))
    printf 'start=%dMiB, size=%dMiB, type=%s\n' $at "$size" "$([ $number = 1 ] && echo "$type, bootable" || echo 83)"
    at=$((at + size))
  done
}

into_image() { dd if="$1" of="$IMAGE" bs=1M seek="$2" conv=notrunc,sparse status=none; }

boot_files() {
  local to="$1"
  cp "$TREE/vmlinuz" "$to/vmlinuz"
  cp "$TREE/initrd.img" "$to/initrd.img"
  cp "$ROOT/scripts/imaging/boot/provision.yaml" "$to/"
  case "$VARIANT" in
    virt)
      mkdir -p "$to/EFI/BOOT" "$to/loader/entries"
      cp "$TREE/usr/lib/systemd/boot/efi/systemd-bootaa64.efi" "$to/EFI/BOOT/BOOTAA64.EFI"
      printf 'timeout 0\neditor no\n' >"$to/loader/loader.conf"
      cp "$ROOT/scripts/imaging/boot/virt-entry.conf" "$to/loader/entries/lobbycount.conf" ;;
    pi)
      cp "$TREE"/usr/lib/raspi-firmware/* "$to/"
      cp "$TREE"/usr/lib/linux-image-*/broadcom/bcm27*.dtb "$to/"
      cp "$ROOT/scripts/imaging/boot/config.txt" "$ROOT/scripts/imaging/boot/cmdline.txt" "$to/" ;;
  esac
  find "$to" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

boot_partition() {
  local from="$1" image="$2" name
  rm -f "$image" && truncate -s "${BOOT_MIB}M" "$image"
  mkfs.vfat --invariant -F 32 -i $BOOT_ID -n LC-BOOT "$image" >/dev/null
  (cd "$from" && find . -mindepth 1 -type d -printf '%P\n' | sort) | while read -r name; do
    mmd -i "$image" "::$name"
  done
  (cd "$from" && find . -type f -printf '%P\n' | sort) | while read -r name; do
    mcopy -m -i "$image" "$from/$name" "::$name"
  done
}

# ext4 LABEL UUID MIB TREE IMAGE [WITHOUT…]: mke2fs takes the entries of a folder in the order the file
# system gives them, so the tree goes through memory, where that order follows from ours. WITHOUT:
# patterns of what lies on another partition.
ext4() {
  local label="$1" uuid="$2" mib="$3" tree="$4" image="$5" memory pattern
  local without=(--exclude=./.built)
  for pattern in "${@:6}"; do without+=("--exclude=$pattern"); done
  memory="$(mktemp -d)"
  mount -t tmpfs -o size=4G,mode=0755 lobbycount-image "$memory"
  tar -C "$tree" --one-file-system --sort=name --numeric-owner --xattrs --xattrs-include='*' "${without[@]}" -cf - . | tar -C "$memory" --numeric-owner --xattrs --xattrs-include='*' -xpf -
  find "$memory" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  rm -f "$image" && truncate -s "${mib}M" "$image"
  # The copies of the superblock have a date too, which nothing sets afterwards.
  E2FSPROGS_FAKE_TIME="$SOURCE_DATE_EPOCH" mke2fs -q -t ext4 -L "$label" -U "$uuid" -d "$memory" -m 1 \
    -E "hash_seed=$uuid,lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0" "$image"
  umount "$memory" && rmdir "$memory"
  "$PYTHON" "$ROOT/scripts/imaging/timestamps.py" "$image" "$SOURCE_DATE_EPOCH"
}
