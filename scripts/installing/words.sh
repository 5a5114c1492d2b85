# shellcheck shell=bash
# Sourced by scripts/install: what it says, in both languages, and how it changes things.

say() { printf '%s\n' "$*"; }
note() { printf '注意：%s\nnote: %s\n' "$1" "$2"; }

# die ZH EN: what is wrong and what to do.
die() {
  printf '\n错误：%s\nerror: %s\n' "$1" "$2" >&2
  exit 1
}

# change ZH EN COMMAND…: one change; only said with --dry-run.
change() {
  local zh="$1" en="$2"
  shift 2
  CHANGES=$((CHANGES + 1))
  if [ -n "$DRY" ]; then
    say "  将 would: $zh · $en"
  else
    say "  $zh · $en"
    "$@"
  fi
}

# put SOURCE TARGET: a file of the program's, the same as in the source tree.
put() {
  cmp -s "$1" "$2" || change "写入 $2" "write $2" install -D -m 644 "$1" "$2"
}

# Runs at the end, however it ends; what was half done goes.
leave() {
  local code="$1"
  rm -rf "$SCRATCH"
  if [ -n "${HALF_BUILT:-}" ]; then
    rm -rf "$HALF_BUILT" "${HOME_DIR:?}/tmp" "${HOME_DIR:?}/wheels.new"
    [ ! -e "$HOME_DIR/current" ] || printf '原来的版本没有动，继续使用。\nThe version in use before is untouched and stays in use.\n' >&2
  fi
  exit "$code"
}

report() {
  if [ -n "$DRY" ]; then
    say "试运行：会做 $CHANGES 处改动，什么也没改。 Dry run: $CHANGES changes, none made."
  elif [ "$CHANGES" = 0 ]; then
    say "已是最新，没有需要改动的。 Up to date, nothing to change."
  else
    say "完成。 Done. $("$HOME_DIR/bin/lobbycount" version)"
  fi
}
