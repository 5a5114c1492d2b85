# shellcheck shell=bash
# Sourced by scripts/image: the product inside the tree.

# Wheels for arm64 are chosen and unpacked by the building machine's pip: nothing is compiled, so
# nothing has to run under emulation, which takes seconds instead of minutes.
PLATFORMS=(manylinux_2_28_aarch64 manylinux_2_27_aarch64 manylinux_2_24_aarch64 manylinux_2_17_aarch64 manylinux2014_aarch64)
FOR_ARM64=(--python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none --only-binary=:all:)
for platform in "${PLATFORMS[@]}"; do FOR_ARM64+=(--platform "$platform"); done

install_product() {
  local app="$TREE/opt/lobbycount" site="$TREE/opt/lobbycount/lib/python3.11/site-packages"
  local pip=("$PYTHON" -m pip --quiet --disable-pip-version-check --no-input)
  say "Wheels for arm64"
  "${pip[@]}" download --dest "$WHEELS" "${FOR_ARM64[@]}" --require-hashes -r "$ROOT/requirements.lock"
  rm -f "$WHEELS"/lobbycount-*.whl
  "${pip[@]}" wheel --no-deps --wheel-dir "$WHEELS" "$ROOT"
  chroot "$TREE" useradd --system --uid 990 --user-group --groups video --home-dir /var/lib/lobbycount --shell /usr/sbin/nologin lobbycount
  chroot "$TREE" python3 -m venv --without-pip /opt/lobbycount
  "${pip[@]}" install --no-compile --no-index --no-deps --find-links "$WHEELS" --target "$site" \
    "${FOR_ARM64[@]}" --require-hashes -r "$ROOT/requirements.lock"
  "${pip[@]}" install --no-compile --no-index --no-deps --find-links "$WHEELS" --target "$site" "${FOR_ARM64[@]}" lobbycount
  rm -rf "${site:?}/bin"  # their first line names the building machine's Python
  printf '#!/opt/lobbycount/bin/python\nfrom edge.cli import main\n\nmain()\n' >"$app/bin/lobbycount"
  chmod 755 "$app/bin/lobbycount"
  ln -sf /opt/lobbycount/bin/lobbycount "$TREE/usr/local/bin/lobbycount"
  install_units
}

install_units() {
  local units="$TREE/etc/systemd/system" name
  mkdir -p "$TREE/etc/lobbycount" "$TREE/var/lib/lobbycount" "$units/multi-user.target.wants"
  for name in lobbycount lobbycount-provision; do
    [ -f "$ROOT/config/systemd/$name.service" ] || continue
    install -m 644 "$ROOT/config/systemd/$name.service" "$units/$name.service"
    ln -sf "../$name.service" "$units/multi-user.target.wants/$name.service"
  done
}
