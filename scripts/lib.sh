# Shell functions that the scripts share. Sourced by them, never run; needs bash and Debian's tools only.
# shellcheck shell=bash

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# Objects of one checkout serve another: paths are hashed relative to the checkout.
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1

say() { printf '%s\n' "$*"; }

# What is being done, for whoever waits; standard output is for answers.
note() { printf '%s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# with_log NAME COMMAND...: runs quietly, and shows the end of what the command said only if it fails.
with_log() {
  local log="$root/build/log/$1.txt"
  shift
  mkdir -p "$root/build/log"
  if ! "$@" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    printf '%s: failed: %s\n  (the whole log is %s)\n' "$(basename "$0")" "$*" "$log" >&2
    return 1
  fi
}

# Names of the packages that scripts/packages.txt lists for the given times ("build", "build|test").
package_names() { sed -nE "s/^($1)[[:space:]]+([^[:space:]]+).*/\2/p" "$root/scripts/packages.txt"; }

# install_packages TIMES: asks apt only if something is missing, so the second time takes no time.
install_packages() {
  local wanted installed name missing=() sudo=()
  if ! command -v dpkg-query >/dev/null; then
    note "This is not Debian: expecting the counterparts of scripts/packages.txt to be installed."
    return 0
  fi
  mapfile -t wanted < <(package_names "$1")
  installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' "${wanted[@]}" 2>/dev/null || true)"
  for name in "${wanted[@]}"; do
    # Node from elsewhere than Debian brings its npm along, and Debian's cannot be beside it.
    [ "$name" = npm ] && command -v npm >/dev/null && continue
    [[ "$installed" == *" installed=$name "* ]] || missing+=("$name")
  done
  [ "${#missing[@]}" -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "installing packages needs root or sudo; or install them yourself: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  note "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y)
  apt+=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=600)
  with_log apt-update "${apt[@]}" update || die "apt-get update failed; is this machine on the network?"
  with_log apt-install "${apt[@]}" install --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]}"
}

# The tests' Python packages in build/venv, made by Debian's own Python whatever else is first in PATH.
install_venv() {
  local python=/usr/bin/python3 requirements="$root/scripts/requirements-test.txt" venv="$root/build/venv" stamp
  [ -x "$python" ] || python="$(command -v python3)" || die "python3 is not installed."
  stamp="$("$python" -V 2>&1) $root $(sha256sum <"$requirements")"
  [ "$(cat "$venv/stamp" 2>/dev/null)" = "$stamp" ] && return 0
  note "Installing the tests' Python packages into build/venv"
  rm -rf "$venv"
  with_log venv "$python" -m venv "$venv" || die "python3 -m venv failed; is python3-venv installed?"
  with_log pip "$venv/bin/python" -m pip install --disable-pip-version-check --retries 5 --timeout 60 \
    --no-deps --only-binary :all: -r "$requirements" || die "pip could not install $requirements."
  printf '%s\n' "$stamp" >"$venv/stamp"
}

# build PRESET [TARGET]: configures when it must, then builds.
build() {
  local folder="$root/build/$1" log="build-$1"
  cd "$root" || return 1
  if [ ! -e "$folder/build.ninja" ] || [ CMakePresets.json -nt "$folder/build.ninja" ]; then
    with_log "configure-$1" cmake --preset "$1" || return 1
  fi
  with_log "$log" cmake --build --preset "$1" ${2:+--target "$2"} || return 1
}

gemvec() { "$root/build/release/bin/gemvec" "$@"; }
