#!/usr/bin/env bash
# Run Swift on the package in convert/swift:
#
#   scripts/swift.sh test                     build and test it
#   scripts/swift.sh COMMAND [ARGUMENTS]      any command of SwiftPM, such as `build -c release`
#   scripts/swift.sh exec BINARY [ARGUMENTS]  run a binary that was built with --static-swift-stdlib
#
# `--package-path DIR` names another package.
#
# Swift 6 is used if it is on the PATH. Otherwise, on Linux as root with debootstrap or apt-get, it
# is installed once into a folder of its own: MLX_FINBERT_SWIFT_CACHE, or ~/.cache/mlx-finbert/swift
# (3.3 GB). Where neither is possible, one sentence says why, and the exit status is 77.
#
# `exec` runs a binary outside that folder, with the libraries in it: with this system's files and
# programs.
set -euo pipefail

HERE=$(cd "$(dirname "$0")/.." && pwd -P)
CACHE=${MLX_FINBERT_SWIFT_CACHE:-$HOME/.cache/mlx-finbert/swift}
ROOT=$CACHE/trixie
# SwiftPM links with gcc; libc6-dev and libstdc++ are what it links.
PACKAGES=swiftlang,libc6-dev,libstdc++-14-dev,gcc,git,ca-certificates

skip() {
    echo "skipped: $*"
    exit 77
}

swift_on_path() {
    local major
    command -v swift >/dev/null || return 1
    major=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+).*/\1/p' | head -n 1)
    [ "${major:-0}" -ge 6 ]
}

# private COMMAND...: its mounts are its own and end with it, even when it is killed
private() {
    unshare --mount --propagation private "$@"
}

require_toolchain() {
    [ "$(uname -s)" = Linux ] || skip "Swift 6 is not on the PATH: install Xcode 16 or later"
    [ "$(id -u)" = 0 ] || skip "Swift 6 is not on the PATH, and only root can install it here"
    private true 2>/dev/null || skip "Swift 6 is not on the PATH, and this container permits no mounts"
    [ -d "$ROOT" ] || make_toolchain
}

make_toolchain() {
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"
    # The tests run in several processes, and one of them makes it.
    flock 9
    if [ ! -d "$ROOT" ]; then
        # Each of many tests would wait for the same network again.
        [ -z "$(find "$CACHE/failed" -mmin -30 2>/dev/null)" ] ||
            skip "Swift could not be installed: see $CACHE/log; remove $CACHE/failed to try again"
        echo "installing Swift in $ROOT (about a minute; log: $CACHE/log)" >&2
        if ! install_toolchain >"$CACHE/log" 2>&1; then
            touch "$CACHE/failed"
            skip "Swift could not be installed: see $CACHE/log"
        fi
    fi
    exec 9>&-
}

install_toolchain() {
    if ! command -v debootstrap >/dev/null; then
        timeout 60 apt-get update || return
        timeout 60 apt-get install -y --no-install-recommends debootstrap || return
    fi
    rm -rf "$ROOT.part"
    private timeout 240 debootstrap --variant=minbase --include="$PACKAGES" trixie "$ROOT.part" ||
        return
    mv -T "$ROOT.part" "$ROOT"
}

# The folders have the same paths inside, so that what Swift prints is valid outside.
inside() {
    private bash -c '
        root=$1 package=$2 here=$3; shift 3
        mount --bind /proc "$root/proc" && mount --bind /dev "$root/dev" || exit
        for folder in "$here" "$package"; do
            mkdir -p "$root$folder" && mount --bind "$folder" "$root$folder" || exit
        done
        unset TMPDIR LD_LIBRARY_PATH LD_PRELOAD
        export HOME=/root
        exec chroot "$root" env PATH=/usr/bin:/bin sh -c "cd \"\$0\" && exec swift \"\$@\"" "$package" "$@"
    ' inside "$ROOT" "$PACKAGE" "$HERE" "$@"
}

run_outside() {
    if swift_on_path; then
        exec "$@"
    fi
    # The aarch64 loader is in lib, not in lib64.
    local loader
    loader=$(compgen -G "$ROOT/lib*/ld-linux-*.so.*" | head -n 1)
    exec "$loader" --library-path "$ROOT/lib/$(uname -m)-linux-gnu" "$@"
}

[ $# -gt 0 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit 2; }
if [ "$1" = exec ]; then
    shift
    run_outside "$@"
fi

PACKAGE=$HERE/convert/swift
arguments=()
while [ $# -gt 0 ]; do
    if [ "$1" = --package-path ] && [ $# -gt 1 ]; then
        PACKAGE=$(cd "$2" && pwd -P)
        shift
    else
        arguments+=("$1")
    fi
    shift
done
if [ "$(uname -s)" = Linux ] && [ "${arguments[0]}" = test ]; then
    # libswiftObservation of Swift 6.0 has an undefined symbol.
    arguments+=(-Xlinker --allow-shlib-undefined)
fi
if swift_on_path; then
    cd "$PACKAGE"
    exec swift "${arguments[@]}"
fi
require_toolchain
inside "${arguments[@]}"
