# shellcheck shell=bash
# What .ci/run and e2e/run share. It is sourced from the repository's root.

# Otherwise bash would go on after a failure inside $(…), and call a broken-off installation complete.
shopt -s inherit_errexit

TARGET=${CARGO_TARGET_DIR:-target}
TOOLS=$TARGET/tools
export CARGO_TERM_COLOR=never SAM_CLI_TELEMETRY=0

fail() {
  echo "error: $*" >&2
  exit 1
}

# architecture prints what this machine runs, as the template's parameter Architecture names it.
architecture() {
  case $(uname -sm) in
    "Linux x86_64") echo x86_64 ;;
    "Linux aarch64") echo arm64 ;;
    *) fail "what is built for Lambda runs on Linux only, x86_64 or arm64; this is $(uname -sm)" ;;
  esac
}

# A step that ends with this status has checked nothing, and says why.
readonly SKIPPED=77

# skip SENTENCE… ends a step that lacks what it cannot get by itself, loudly: nobody shall take it for a success.
skip() {
  {
    printf '\n!!! SKIPPED: nothing was checked here.\n'
    printf '!!! %s\n' "${@//$'\n'/$'\n!!! '}"
  } >&2
  exit "$SKIPPED"
}

# need COMMAND PACKAGE TEST… installs the Debian packages, separated by spaces, when the test fails and we may;
# otherwise it says what to do.
need() {
  local what=$1 packages
  read -ra packages <<<"$2"
  shift 2
  if "$@" >/dev/null 2>&1; then return; fi
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "$what is missing: installing ${packages[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
  fi
  "$@" >/dev/null 2>&1 || fail "$what is missing: install it (Debian: apt-get install ${packages[*]})"
}

has_node() {
  node -e 'process.exit(Number.parseInt(process.versions.node) >= 18 ? 0 : 1)' && npm --version
}

# The Node.js tools come from npm's registry, each with the sum of its file.
node_tools_are_pinned() {
  need "Node.js 18 with npm" "nodejs npm" has_node
  node e2e/lock.mjs e2e/package-lock.json
}

# chosen_steps STEP… prints the steps to run, one a line: those that were asked for, or all of STEPS.
chosen_steps() {
  local step
  (($# > 0)) || set -- "${STEPS[@]}"
  for step in "$@"; do
    [[ " ${STEPS[*]} " == *" $step "* ]] || fail "no step '$step'; there are: ${STEPS[*]}"
  done
  printf '%s\n' "$@"
}

# run_steps RUN STEP… runs `RUN STEP` for each, also after one that failed, and says how each of them went.
run_steps() {
  local run=$1 step status started failed=() skipped=()
  shift
  for step in "$@"; do
    printf '\n=== %s\n' "$step"
    started=$SECONDS
    status=0
    "$run" "$step" || status=$?
    case $status in
      0) echo "=== $step: ok, $((SECONDS - started)) s" ;;
      "$SKIPPED")
        echo "=== $step: SKIPPED"
        skipped+=("$step")
        ;;
      *)
        echo "=== $step: FAILED, $((SECONDS - started)) s"
        failed+=("$step")
        ;;
    esac
  done
  ((${#skipped[@]} == 0)) || {
    printf '\n!!! SKIPPED, and so not checked: %s\n' "${skipped[*]}"
    printf '!!! Above, each says what it lacks and how to have it checked.\n'
  } >&2
  ((${#failed[@]} == 0)) || fail "failed: ${failed[*]}"
}

# python_tools LIST prints the folder of the Python tools that a list of pins names. A new list gets a new folder, a
# broken-off install none, and two who ask at once get one install.
python_tools() {
  local list=$1 sum venv
  need python3 python3 command -v python3 >&2
  need "python3's venv" python3-venv python3 -c 'import venv, ensurepip' >&2
  sum=$(python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:16])' \
    "$list")
  venv=$TOOLS/python-$sum
  installed_once "$venv" install_python_tools "$list" "$venv" >&2
  realpath "$venv"
}

# Takes only files whose sums the list holds, and only built ones: building runs code of its own, with tools that no list
# names. pip itself comes with Python, so nothing is fetched before the sums count. The list is complete, as the check
# shows; pip's own look for dependencies trips over boto3-stubs, which one asks for with extras and another without.
install_python_tools() {
  local list=$1 venv=$2
  echo "installing the Python tools of $list into $venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    --no-deps --requirement "$list"
  "$venv/bin/python" -m pip --disable-pip-version-check check
}

# installed_once FOLDER INSTALL… runs INSTALL unless an earlier run has ended well. Whoever comes meanwhile waits for
# it.
installed_once() {
  local folder=$1 lock
  shift
  [[ ! -e $folder/complete ]] || return 0
  mkdir -p "$TOOLS"
  exec {lock}>"$folder.lock"
  # Of what util-linux brings everywhere but on macOS, where two at once are the user's own affair.
  ! command -v flock >/dev/null || flock "$lock"
  if [[ ! -e $folder/complete ]]; then
    rm -rf "$folder"
    "$@"
    touch "$folder/complete"
  fi
  exec {lock}>&-
}
