# shellcheck shell=bash
# Sourced by scripts/install: what signed updates need, see docs/updates.md.

UPDATE_KEY_FOLDER="$HOME_DIR/update-keys"

# The slot that this would build in is what the version on trial falls back to.
no_trial() {
  [ ! -e "$HOME_DIR/update/trial.json" ] || die "正在试用一个升级，等它结束（最多十分钟），或 sudo lobbycount update confirm | revert" \
    "an update is on trial: wait until it ends (ten minutes at most), or sudo lobbycount update confirm | revert"
}

read_given_keys() {
  local key
  for key in "${UPDATE_KEYS[@]}"; do
    grep -qs 'BEGIN PUBLIC KEY' "$key" || die "--update-key $key：不是公钥文件（scripts/bundle key 生成的 update-key.pem）" \
      "--update-key $key: is no public key; it is the update-key.pem that scripts/bundle key makes"
  done
}

trusts_updates() { [ ${#UPDATE_KEYS[@]} -gt 0 ] || compgen -G "$UPDATE_KEY_FOLDER/*.pem" >/dev/null; }

# Each under its id, so that the same key given again changes nothing.
put_update_keys() {
  local key id
  for key in "${UPDATE_KEYS[@]}"; do
    id="$(key_id "$key")" || die "--update-key $key：不是 Ed25519 公钥" "--update-key $key: is no Ed25519 key"
    put "$key" "$UPDATE_KEY_FOLDER/$id.pem"
    # Nothing was kept where nothing was built with a key.
    [ -d "$HOME_DIR/wheels" ] || [ -d "$HOME_DIR/wheels.new" ] || [ -n "$DRY" ] \
      || note "第一次升级请用完整的升级包（不是 thin）" "the first update has to be a full bundle, not a thin one"
  done
}

key_id() {
  if [ -n "$DRY" ]; then basename "$1" .pem; return; fi
  (cd / && "$HOME_DIR/$SLOT/bin/python" -c 'import sys
from pathlib import Path
from edge.adapters.update_keys import read_public_key
from edge.updating.bundle import key_id
print(key_id(read_public_key(Path(sys.argv[1]))))' "$1" 2>/dev/null)
}

keep_wheels() {
  [ -d "$HOME_DIR/wheels.new" ] || return 0
  rm -rf "${HOME_DIR:?}/wheels"
  mv "$HOME_DIR/wheels.new" "$HOME_DIR/wheels"
}

# Only where there is udev: a container has no sticks.
put_usb_rule() {
  [ -d "$(dirname "$UDEV_RULE")" ] || return 0
  put "$ROOT/config/udev/90-lobbycount-usb.rules" "$UDEV_RULE"
}
