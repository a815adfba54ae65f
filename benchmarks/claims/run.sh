#!/usr/bin/env bash
# The protocol's runs on data of your own: run.sh nyuv2|cityscapes FOLDER. Killed, it goes on where it was.
set -euo pipefail
world=${1:?nyuv2 or cityscapes} folder=${2:?the folder of its images}
python=${PYTHON:-python}
cd "$(dirname "$0")/../.."
"$python" benchmarks/claims/depth_losses.py --world "$world" --data "$folder"
