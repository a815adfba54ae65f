#!/usr/bin/env bash
# The protocol's runs on data of your own: run.sh nyuv2|cityscapes FOLDER. Killed, it goes on where it was.
set -euo pipefail
world=${1:?nyuv2 or cityscapes} folder=${2:?the folder of its images}
python=${PYTHON:-python}
cd "$(dirname "$0")/../.."
for claim in depth_losses transfer_searches transfer_table prior_networks depth_loss_ranks; do
    "$python" "benchmarks/claims/$claim.py" --world "$world" --data "$folder"
done
"$python" benchmarks/claims/prior_networks.py --world "$world" --data "$folder" --until-it-stops
"$python" benchmarks/claims/prior_latency.py --world "$world" --data "$folder"
