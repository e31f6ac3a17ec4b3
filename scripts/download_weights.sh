#!/usr/bin/env bash
# Put published ImageNet weights into torch's cache: scripts/download_weights.sh mobilenetv2
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHONPATH="$root/src${PYTHONPATH:+:$PYTHONPATH}" exec "$root/.venv/bin/python" -m fakedet.models.weights "$@"
