# shellcheck shell=bash
# Sourced by scripts/install: the virtual environment, in one of two slots; `current` says which.

STAMP=.source
# What builds our own wheel, locked with the rest of requirements-dev.lock.
BUILDERS="hatchling packaging pathspec pluggy tomlkit trove-classifiers"

# What decides what a slot holds.
source_hash() {
  (
    cd "$ROOT" || exit
    { find edge evaluation model_export models -type f ! -name '*.pyc' ! -path '*/.work/*' -print0 \
        | LC_ALL=C sort -z | xargs -0 sha256sum
      sha256sum config/lobby.example.yaml config/schemes/neutral-2026.yaml pyproject.toml requirements.lock README.md LICENSE NOTICE
    } | sha256sum | cut -c1-16
  )
}

# Sets SLOT to where the wanted program is or goes, NEW_PROGRAM to its command.
make_program() {
  local wanted now
  wanted="$(source_hash) $("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)"
  now="$(readlink "$HOME_DIR/current" 2>/dev/null)" || now=""
  if [ -n "$now" ] && [ "$(cat "$HOME_DIR/$now/$STAMP" 2>/dev/null)" = "$wanted" ] && works "$HOME_DIR/$now"; then
    SLOT="$now"
  else
    SLOT=a
    [ "$now" != a ] || SLOT=b
    change "安装程序到 $HOME_DIR/$SLOT（下载约 120 MB，几分钟）" "install the program in $HOME_DIR/$SLOT (downloads about 120 MB, some minutes)" build "$HOME_DIR/$SLOT" "$wanted"
  fi
  NEW_PROGRAM="$HOME_DIR/$SLOT/bin/lobbycount"
}

build() {
  local slot="$1" pip_options=() from=() problem
  rm -rf "$slot"
  check_room "$HOME_DIR"
  HALF_BUILT="$slot"
  # Not /tmp: where that is in memory it is too small for what pip unpacks.
  install -d "$HOME_DIR/tmp"
  export TMPDIR="$HOME_DIR/tmp"
  [ -z "$OFFLINE" ] || pip_options=(--no-index --find-links "$OFFLINE")
  "$PYTHON" -m venv "$slot" > "$SCRATCH/venv" 2>&1 || no_network "python -m venv" "$SCRATCH/venv"
  builders > "$SCRATCH/builders.lock"
  from=("${pip_options[@]}")
  if trusts_updates; then
    # Kept, so that a bundle may leave them out.
    rm -rf "${HOME_DIR:?}/wheels.new"
    fetch "$slot/bin/python" download "${pip_options[@]}" -d "$HOME_DIR/wheels.new" -r "$ROOT/requirements.lock"
    from=(--no-index --find-links "$HOME_DIR/wheels.new")
  fi
  fetch "$slot/bin/python" install "${from[@]}" -r "$ROOT/requirements.lock"
  fetch "$slot/bin/python" install "${pip_options[@]}" --target "$SCRATCH/builders" -r "$SCRATCH/builders.lock"
  # From a copy: a source tree on a read-only medium is enough.
  mkdir "$SCRATCH/source"
  (cd "$ROOT" && cp -r edge evaluation model_export models config pyproject.toml README.md LICENSE NOTICE "$SCRATCH/source")
  PYTHONPATH="$SCRATCH/builders" "$slot/bin/python" -m pip install -q --disable-pip-version-check --no-index --no-deps \
    --no-build-isolation "$SCRATCH/source" > "$SCRATCH/pip" 2>&1 || no_network "pip install lobbycount" "$SCRATCH/pip"
  problem="$(self_test "$slot" 2>&1)" || die "新版本自检没有通过，不启用：$problem" "the new version failed its self-test and is not put to use, see above: ${problem##*$'\n'}"
  printf '%s' "$2" > "$slot/$STAMP"
  unset TMPDIR
  rm -rf "${HOME_DIR:?}/tmp"
  HALF_BUILT=""
}

fetch() {
  "$1" -m pip "$2" -q --disable-pip-version-check --no-cache-dir --only-binary :all: --require-hashes "${@:3}" > "$SCRATCH/pip" 2>&1 \
    || no_network "pip $2" "$SCRATCH/pip"
}

# The build requirements with their hashes, as pip reads them.
builders() {
  awk -v names="$BUILDERS" '
    BEGIN { split(names, list, " "); for (i in list) wanted[list[i]] = 1 }
    /^[a-z0-9]/ { split($0, parts, "=="); keep = parts[1] in wanted }
    keep && !/^ *#/' "$ROOT/requirements-dev.lock"
}

fetch_wheels() {
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || die "先运行：sudo apt-get install python3 python3-venv" "run this first: sudo apt-get install python3 python3-venv"
  check_room "$1"
  "$PYTHON" -m venv "$SCRATCH/venv-fetch" > "$SCRATCH/venv" 2>&1 || no_network "python -m venv" "$SCRATCH/venv"
  builders > "$SCRATCH/builders.lock"
  install -d "$1"
  fetch "$SCRATCH/venv-fetch/bin/python" download -d "$1" -r "$ROOT/requirements.lock"
  fetch "$SCRATCH/venv-fetch/bin/python" download -d "$1" -r "$SCRATCH/builders.lock"
  say "完成：$1 · Done: scripts/install --offline $1"
}

works() { (cd / && as_user "$1/bin/lobbycount" version) >/dev/null 2>&1; }

# As the service's user: what only root can read would not do. Then the config that is in force.
self_test() {
  local clip="$ROOT/tests/data/vtest.mp4" options=() file
  if [ -r "$clip" ]; then
    install -m 644 "$clip" "$SCRATCH/clip.mp4"
    chmod 711 "$SCRATCH"
    options=(--clip "$SCRATCH/clip.mp4")
  fi
  cd /
  as_user "$1/bin/lobbycount" version || return
  as_user "$1/bin/lobbycount" models verify "${options[@]}" || return
  for file in "$SETTINGS"/*.yaml; do
    # What the old version refuses as well is no reason to keep it.
    if [ ! -e "$file" ] || [ ! -x "$HOME_DIR/bin/lobbycount" ]; then continue; fi
    as_user "$HOME_DIR/bin/lobbycount" check "$file" >/dev/null 2>&1 || continue
    as_user "$1/bin/lobbycount" check "$file" || return
  done
}

# The switch is the renaming of one link; who runs is restarted, and gets the old one back if it fails.
switch_program() {
  local now
  now="$(readlink "$HOME_DIR/current" 2>/dev/null)" || now=""
  if [ "$now" != "$SLOT" ]; then
    change "启用 $HOME_DIR/$SLOT" "put $HOME_DIR/$SLOT to use" point_to "$SLOT"
    [ -n "$DRY" ] || restart_or_go_back "$now"
  elif [ -n "${UNITS_CHANGED:-}" ] && [ -z "$DRY" ]; then
    restart_or_go_back "$now"
  fi
  [ "$(readlink "$HOME_DIR/confirmed" 2>/dev/null)" = "$SLOT" ] \
    || change "更新程序也用 $HOME_DIR/$SLOT" "let the updater run from $HOME_DIR/$SLOT" turn confirmed "$SLOT"
  [ -z "$DRY" ] || return 0
  keep_wheels
  for now in a b; do
    [ "$now" = "$SLOT" ] || [ ! -e "$HOME_DIR/$now" ] || rm -rf "${HOME_DIR:?}/$now"
  done
}

# A power cut must not find a link to files that are not on the disk yet.
point_to() {
  sync -f "$HOME_DIR"
  turn current "$1"
  if [ "$(readlink "$HOME_DIR/bin")" != current/bin ]; then
    rm -rf "${HOME_DIR:?}"/{bin,include,lib,lib64,share,pyvenv.cfg}  # an installation by hand
    ln -sfn current/bin "$HOME_DIR/bin"
  fi
  sync -f "$HOME_DIR"
}

# By renaming: there is no moment without it.
turn() {
  ln -sfn "$2" "$HOME_DIR/$1.new"
  mv -T "$HOME_DIR/$1.new" "$HOME_DIR/$1"
  sync -f "$HOME_DIR"
}

running_services() {
  has_systemd || return 0
  systemctl list-units --plain --no-legend --state=active 'lobbycount.service' 'lobbycount@*.service' | awk '{print $1}'
}

restart_or_go_back() {
  local old="$1" service again services
  services="$(running_services)"
  for service in $services; do
    say "  重新启动 $service · restart $service"
    systemctl restart "$service" && continue
    [ -n "$old" ] || die "$service 没有启动：journalctl -u $service" "$service did not start: journalctl -u $service"
    point_to "$old"
    put_units_back
    for again in $services; do systemctl restart "$again" || true; done
    [ "$old" = "$SLOT" ] || HALF_BUILT="$HOME_DIR/$SLOT"
    die "新版本没有启动，已换回原来的版本：journalctl -u $service" "the new version did not start, the one before is back: journalctl -u $service"
  done
}
