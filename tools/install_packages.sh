#!/usr/bin/env bash
# Installs what is missing of the Debian packages the project needs:   install_packages.sh build|python|test
set -euo pipefail

build=(g++ cmake ninja-build ccache pkg-config python3 ca-certificates
       libsimdjson-dev nlohmann-json3-dev libcli11-dev libedit-dev
       libjpeg62-turbo-dev libpng-dev zlib1g-dev libwebp-dev libgif-dev libcurl4-openssl-dev
       libsndfile1-dev libmpg123-dev libsoxr-dev)
python=(python3-dev python3-venv)
test=("${python[@]}" libgtest-dev clang-14 libclang-rt-14-dev g++-aarch64-linux-gnu)

packages=("${build[@]}")
case "${1:-build}" in
  python) packages+=("${python[@]}") ;;
  test) packages+=("${test[@]}") ;;
esac

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}" >&2
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
