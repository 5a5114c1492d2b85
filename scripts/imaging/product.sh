# shellcheck shell=bash
# Sourced by scripts/image: the product inside the tree, as scripts/install lays it out.

# Wheels for arm64 are chosen and unpacked by the building machine's pip: nothing is compiled, so
# nothing has to run under emulation, which takes seconds instead of minutes.
PLATFORMS=(manylinux_2_28_aarch64 manylinux_2_27_aarch64 manylinux_2_24_aarch64 manylinux_2_17_aarch64 manylinux2014_aarch64)
FOR_ARM64=(--python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none --only-binary=:all:)
for platform in "${PLATFORMS[@]}"; do FOR_ARM64+=(--platform "$platform"); done

# /opt/lobbycount is a partition of its own: the slot `a`, the links that lead to it (`current` runs,
# `confirmed` is known to work), and the wheels it was made of, so that an update brings only new ones.
install_product() {
  local app="$TREE/opt/lobbycount" pip=("$PYTHON" -m pip --quiet --disable-pip-version-check --no-input) site
  site="$app/a/lib/python3.11/site-packages"
  say "Wheels for arm64"
  rm -f "$WHEELS"/*.whl
  "${pip[@]}" download --dest "$WHEELS" "${FOR_ARM64[@]}" --require-hashes -r "$ROOT/requirements.lock"
  "${pip[@]}" wheel --no-deps --wheel-dir "$WHEELS" "$ROOT"
  chroot "$TREE" useradd --system --uid 990 --user-group --groups video --home-dir /var/lib/lobbycount --shell /usr/sbin/nologin lobbycount
  mkdir -p "$app/wheels" "$app/update-keys"
  cp "$WHEELS"/*.whl "$app/wheels/"
  chroot "$TREE" python3 -m venv /opt/lobbycount/a
  "${pip[@]}" install --no-compile --no-index --no-deps --find-links "$WHEELS" --target "$site" \
    "${FOR_ARM64[@]}" --require-hashes -r "$ROOT/requirements.lock"
  "${pip[@]}" install --no-compile --no-index --no-deps --find-links "$WHEELS" --target "$site" "${FOR_ARM64[@]}" lobbycount
  rm -rf "${site:?}/bin"  # their first line names the building machine's Python
  printf '#!/opt/lobbycount/a/bin/python\nfrom edge.cli import main\n\nmain()\n' >"$app/a/bin/lobbycount"
  chmod 755 "$app/a/bin/lobbycount"
  put_to_use "$app"
  ln -sf /opt/lobbycount/bin/lobbycount "$TREE/usr/local/bin/lobbycount"
  mkdir -p "$TREE/etc/lobbycount" "$TREE/var/lib/lobbycount"
  install_units
}

# What scripts/install does with a slot that is built; in a shell of its own, since it has names in common.
put_to_use() (
  HOME_DIR="$1"
  # shellcheck source=scripts/installing/program.sh
  . "$ROOT/scripts/installing/program.sh"
  printf '%s 3.11' "$(source_hash)" >"$HOME_DIR/a/$STAMP"
  point_to a
  ln -sfn a "$HOME_DIR/confirmed"
)

# The links are what `systemctl enable` makes; a unit for one of several cameras waits for its name.
install_units() {
  local units="$TREE/etc/systemd/system" unit name target
  for unit in "$ROOT"/config/systemd/*; do
    name="$(basename "$unit")"
    install -m 644 "$unit" "$units/$name"
    case "$name" in *@.*) continue ;; esac
    for target in $(sed -n 's/^WantedBy=//p' "$unit"); do
      mkdir -p "$units/$target.wants"
      ln -sf "../$name" "$units/$target.wants/$name"
    done
  done
  if [ -d "$ROOT/config/udev" ]; then install -m 644 -t "$TREE/etc/udev/rules.d" "$ROOT"/config/udev/*.rules; fi
}

# Who may sign updates of this image; without a key it takes none.
install_update_keys() {
  local to="$TREE/opt/lobbycount/update-keys" key
  rm -rf "$to" && mkdir -p "$to"
  for key in "${UPDATE_KEYS[@]}"; do install -m 644 "$key" "$to/"; done
}
