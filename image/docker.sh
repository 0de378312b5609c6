#!/usr/bin/env bash
# Makes an image out of a folder that image/build.py made, with the last stages of the Dockerfile. Pulls nothing, and needs no BuildKit.
#
# usage: docker.sh FOLDER STAGE TAG
set -euo pipefail
folder=$1 stage=$2 tag=$3
root=$(cd "$(dirname "$0")/.." && pwd)

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -1)
revision=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}

# A builder that is asked for a stage by name builds those before it as well: so they are not in what it reads.
sed -n '/^FROM scratch AS common$/,$p' "$root/Dockerfile" | sed 's|^COPY --from=build /out/ /$|COPY . /|' |
  docker build --quiet --file - --target "$stage" --tag "$tag" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "CREATED=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" "$folder"
docker image inspect --format "$tag: {{.Size}} bytes" "$tag"
