#!/usr/bin/env bash
# Build the wheel, install it in a clean environment outside the clone and use it as a user would: help, plugins, init and a
# two-trial search.  usage: tools/check_wheel.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --wheel --no-isolation --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
wheel=$(ls "$work"/dist/*.whl)
echo "built $(basename "$wheel")"
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "$wheel"
mkdir "$work/user"
cd "$work/user"
ednas=$work/venv/bin/ednas
"$ednas" --help >/dev/null
"$ednas" --version
"$ednas" plugins
"$ednas" init .
"$ednas" search experiments/separate.yml --trials 2
echo "the wheel works"
