#!/bin/sh
# Makes dist/NAME.wasm. The tools of requirements.txt are kept in .venv.
set -eu
cd "$(dirname "$0")"
if [ ! .venv/installed -nt requirements.txt ]; then
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
    touch .venv/installed
fi
mkdir -p dist
.venv/bin/componentize-py --wit-path wit --world plugin \
    componentize --python-path src handlers --output dist/NAME.wasm
