#!/usr/bin/env bash
# Installs unshard, moves the installation, builds the plugin here against it as somebody else would, and uses it.
# Usage: run.sh BUILD_DIRECTORY CXX_COMPILER
set -euo pipefail

build=$(realpath "$1")
compiler=$2
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset UNSHARD_PLUGIN_PATH

fail() {
    echo "FAILED: $*" >&2
    exit 1
}
expect() { # WHAT EXPECTED FOUND
    [[ $2 == "$3" ]] || fail "$1: expected '$2', found '$3'"
}

cmake --install "$build" --prefix "$work/first" >/dev/null
mv first prefix # nothing in it may depend on where it was installed
unshard=$work/prefix/bin/unshard

cmake -S "$here" -B toy -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS="-Wall -Wextra -Wpedantic -Werror" >/dev/null
cmake --build toy >/dev/null
plugin=toy/unshard-reader-toy.so
expect "exported symbols" unshard_plugin "$(nm -D --defined-only "$plugin" | awk '{ print $3 }' | sort | xargs)"

# Two tensors; the writer stores them in the order of their names.
mkdir checkpoint
printf 'AAAABBBBCCCCDDDDEEEEFFFF' >weights
printf 'xxxxyyyyzzzz' >biases
{ printf 'toy 1\nweight 2 3\nbias 3\n\n' && cat weights biases; } >checkpoint/model.toy

"$unshard" plugins --plugin-path toy >listing
grep -q toy listing || fail "'unshard plugins' does not list the toy reader: $(cat listing)"
"$unshard" convert checkpoint -o by-path --plugin-path toy --quiet
expect "the converted elements" "$(cat biases weights)" "$(tail -c 36 by-path/model.safetensors)"

# The plugin's own error comes through, and nothing is left behind.
mkdir damaged
head -c -1 checkpoint/model.toy >damaged/model.toy
code=0
message=$("$unshard" convert damaged -o never --plugin-path toy --quiet 2>&1) || code=$?
expect "exit code" 1 "$code"
expect "the error" "unshard: $work/damaged/model.toy: tensor 'bias': lies behind the end: the file is truncated" \
    "${message/damaged\/model.toy/$work/damaged/model.toy}"
[[ ! -e never ]] || fail "a failed conversion left its output"

# Installed beside the bundled plugins it is found by itself.
cmake --install toy --prefix "$work/prefix" >/dev/null
"$unshard" convert checkpoint -o installed --reader toy --quiet
cmp by-path/model.safetensors installed/model.safetensors
echo passed
