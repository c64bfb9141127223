#!/bin/bash
# To be sourced: Debian's packages for another CPU, and what else an emulated machine is made of.

# bring_foreign FOLDER ARCHITECTURE KERNEL PACKAGE...: unpacks packages with all that they depend on,
# and the kernel that the package KERNEL leads to, in FOLDER/debian, without this machine's package
# manager knowing of it.
bring_foreign() {
    local folder=$1 architecture=$2 meta=$3 kernel
    [ "$(cat "$folder/debian/complete" 2>/dev/null)" != "$*" ] || return 0
    rm -rf "$folder/debian" "$folder/apt"
    mkdir -p "$folder"/debian "$folder"/apt/{lists,archives}/partial
    # Nothing is installed there: all that a package depends on comes along.
    : >"$folder/apt/status"
    # What it cannot bring of all that this machine's lists name, may be of no use here.
    foreign apt-get -qq update || true
    kernel=$(foreign apt-cache depends "$meta" | sed -n 's/.*Depends: //p')
    foreign apt-get -qq --download-only --yes --no-install-recommends install "${@:4}"
    # Without what it depends on, which makes boot disks.
    (cd "$folder/apt/archives" && foreign apt-get -qq download "$kernel" 2>/dev/null)
    find "$folder/apt/archives" -name '*.deb' -exec dpkg-deb --extract {} "$folder/debian" \;
    echo "$*" >"$folder/debian/complete"
}

# foreign COMMAND...: runs a command of apt for the packages of that machine.
foreign() {
    local apt=$folder/apt command=$1
    shift
    "$command" -oAPT::Architecture="$architecture" -oAPT::Architectures::="$architecture" \
        -oDir::State::lists="$apt/lists" -oDir::State::status="$apt/status" \
        -oDir::Cache="$apt" -oDir::Cache::archives="$apt/archives" \
        -oAPT::Sandbox::User=root "$@"
}

# kernel_of FOLDER: says where the kernel is.
kernel_of() {
    find "$1/debian/boot" -name 'vmlinu*' -print -quit
}

# pack_root ROOT ARCHIVE: makes of a folder what the kernel unpacks as its root; the same bytes from
# the same files.
pack_root() {
    find "$1" -exec touch --no-dereference --date=@0 {} +
    (cd "$1" && find . | LC_ALL=C sort | cpio --quiet --create --format=newc --owner=0:0 --reproducible) >"$2"
}
