#!/usr/bin/env bash
# From a fresh checkout to a conversation: installs what is missing, builds the library and the
# command line, and lets a small bundled model answer. The model plays the people of a game's
# village and knows nothing else. `samples/quickstart.sh MODEL.gguf` talks to a model of yours.
set -euo pipefail

# A model that is given lies where the caller stands, not in the checkout.
model=${1:+$(realpath -m -- "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
model=${model:-samples/models/village-target-q8_0.gguf}
if [[ ! -f $model ]]; then
  echo "quickstart: there is no $model; give a model of yours: samples/quickstart.sh MODEL.gguf" >&2
  exit 1
fi
llmrt=build/bin/llmrt
log=build/quickstart.log
character=(--user Player --assistant Tobin --preamble "Tobin is the smith of Fernhollow.")

say() { printf '\n== %s\n' "$*"; }

build() {
  local fresh=()
  # The tests need more packages; tests/run.sh installs those and turns the tests on.
  [[ -f build/CMakeCache.txt ]] || fresh=(-G Ninja -DCMAKE_BUILD_TYPE=Release -DLLMRT_TESTS=OFF)
  cmake -S . -B build "${fresh[@]}" && cmake --build build --target llmrt --parallel "$(nproc)"
}

tools/install_dependencies.sh build

say "Building (a few minutes the first time)"
mkdir -p build
if ! build >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "quickstart: the build failed; $log has all of it" >&2
  exit 1
fi
echo "built $llmrt"

say "You talk to Tobin, the smith"
lines=(
  "Good morning! Who are you?"
  "What does a sword cost?"
  "Do you have any work for me?"
)
# Greedy by default, so the answers are the same on every machine; one line each.
answers=$(printf '%s\n' "${lines[@]}" | "$llmrt" chat "$model" "${character[@]}")
for line in "${lines[@]}"; do
  printf 'Player: %s\n Tobin: %s\n' "$line" "${answers%%$'\n'*}"
  answers=${answers#*$'\n'}
done
if [[ -t 0 && -t 1 ]]; then
  say "Your turn (Ctrl-D or /quit ends it)"
  "$llmrt" chat "$model" "${character[@]}"
fi

say "What to try next"
quoted=$(printf %q "$model")
cat <<END
$llmrt chat $quoted      talk to it
$llmrt run $quoted -p "Player: Good morning!" -n 40 --temp 0.8 --json
$llmrt plan $quoted --sessions 16 --context 512
$llmrt --help
samples/first_token.c      the shortest program that uses the library; more beside it
tests/run.sh               build everything and run every test
END
