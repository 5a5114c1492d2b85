# shellcheck shell=bash
# Sourced by scripts/image: what has to be on the building machine, and arm64 programs running on it.

# Debian packages, each as PACKAGE:COMMAND or PACKAGE:/FILE that shows it is there.
packages_here() {
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair#*:}" >/dev/null || [ -e "${pair#*:}" ] || missing+=("${pair%%:*}")
  done
  [ ${#missing[@]} = 0 ] && return
  say "Installing ${missing[*]}"
  apt-get update -qq || die "apt-get update failed; is a Debian mirror reachable?"
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null \
    || die "apt-get could not install ${missing[*]}"
}

EMULATION=/run/lobbycount-image  # held by every build that runs; says whether the registration is ours

# Lets the kernel start arm64 programs through qemu. The flag F opens the interpreter now, so
# that it is found inside a chroot without a copy there.
emulate() {
  local table=/proc/sys/fs/binfmt_misc
  [ "$(uname -m)" != aarch64 ] || return 0
  packages_here qemu-user-static:qemu-aarch64-static
  [ -e $table/register ] || mount -t binfmt_misc none $table \
    || die "this kernel has no binfmt_misc: arm64 programs cannot run here; build on an arm64 machine"
  exec 8>>$EMULATION
  flock -s 8
  if [ ! -e $table/qemu-aarch64 ]; then
    printf '%s' ':qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F' >$table/register \
      || die "qemu-aarch64 could not be registered in binfmt_misc"
    echo ours >&8
  fi
  [ ! -s $EMULATION ] || trap emulation_ends EXIT
}

# Only what was registered here is taken back, and only when no other build needs it.
emulation_ends() {
  flock -n -x 8 || return 0
  echo -1 >/proc/sys/fs/binfmt_misc/qemu-aarch64
  : >$EMULATION
}
