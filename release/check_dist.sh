#!/usr/bin/env bash
# What a release must show. Needs dist/, which `make dist` has just made; builds it once more.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cp dist/SHA256SUMS "$scratch/first"
.venv-release/bin/python release/dist.py
diff "$scratch/first" dist/SHA256SUMS && echo "two builds have the same bytes"

printf 'a rose is a rose\n' > "$scratch/in.txt"
cp examples/wordcount/wordcount.py "$scratch/job.py"
count() { # $1: what runs the job; the rest: the command
  local what=$1; shift
  (cd "$scratch" && rm -rf out && env -i HOME="$scratch" PATH=/usr/bin:/bin "$@" submit job.py \
    --input in.txt --output out --quiet)
  sort "$scratch"/out/part-* | tr '\n' ' '
  echo "by $what"
}

python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --quiet install --no-index --find-links dist/wheelhouse mrmesos
count "an install without a network" "$scratch/venv/bin/mrmesos"

python3 -m venv --without-pip "$scratch/bare" # a Python without any package
count "mrmesos.pex on a bare Python" "$scratch/bare/bin/python" "$PWD/dist/mrmesos.pex"

(cd dist && sha256sum --quiet --check SHA256SUMS) && echo "all hashes are right"
