#!/usr/bin/env bash
# Builds the functions of the templates into dist/: auth.zip, authorizer.zip and api.zip (the function of the examples).
# The same sources give the same bytes. GOARCH is arm64, as in the templates, unless the variable is set.
#
#   infra/build.sh                     with infra/postern.toml
#   infra/build.sh my/postern.toml     with a configuration of yours
#
# OUT is another folder than dist/, and ONLY the names of the archives to build.
set -euo pipefail
config=$(realpath "${1:-"$(dirname "$0")/postern.toml"}")
cd "$(dirname "$0")"
out=${OUT:-$PWD/dist}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # name of the archive, package, further files
	local name=$1 package=$2
	shift 2
	[[ " ${ONLY:-$name} " == *" $name "* ]] || return 0
	mkdir "$work/$name"
	(cd .. && CGO_ENABLED=0 GOOS=linux GOARCH=${GOARCH:-arm64} go build -tags lambda.norpc -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o "$work/$name/bootstrap" "$package")
	for file in "$@"; do cp "$file" "$work/$name/postern.toml"; done
	chmod 755 "$work/$name/bootstrap"
	[ ! -e "$work/$name/postern.toml" ] || chmod 644 "$work/$name/postern.toml"
	# A fixed time, in a fixed zone, and no further attributes: an archive contains all of them.
	TZ=UTC find "$work/$name" -exec touch -d 1980-01-01T00:00:00Z {} +
	rm -f "$out/$name.zip"
	(cd "$work/$name" && TZ=UTC zip -q -X "$out/$name.zip" bootstrap $(ls | grep -v '^bootstrap$' || true))
}

build auth ./cmd/postern-lambda "$config"
build authorizer ./cmd/postern-authorizer
build api ./infra/example/api
