#!/usr/bin/env bash
# Make a virtual environment with everything EDNAS and its tests need.  usage: tools/environment.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-.venv}

python=""
for candidate in "${PYTHON:-}" python3.11 python3.10 python3 python; do
  [ -n "$candidate" ] || continue
  if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "EDNAS needs Python 3.10 or 3.11; none was found. Install one, or name it: PYTHON=/path/to/python3.11 make ..." >&2
  exit 1
fi

[ -x "$folder/bin/python" ] || { echo "making $folder with $("$python" --version)"; "$python" -m venv "$folder"; }
echo "installing EDNAS and its dependencies into $folder (the first time takes some minutes)"
(while sleep 5; do printf .; done) &  # a sign of life: pip is quiet
alive=$!
trap 'kill "$alive" 2>/dev/null; echo' EXIT
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "setuptools<81" wheel
# setuptools warns of every editable installation that folders may hide it; ednas checks where its plugins come from itself.
PYTHONWARNINGS=ignore "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e ".[dev,rl,mtl,nyuv2,onnx]"
