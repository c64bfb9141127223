#!/bin/bash
# To be sourced: Debian's packages for mipsel, and what else an emulated MIPS machine is made of.

# bring_foreign FOLDER PACKAGE...: unpacks packages for mipsel with all that they depend on, and the
# kernel for Malta boards, in FOLDER/debian, without this machine's package manager knowing of it.
bring_foreign() {
    local folder=$1 kernel
    shift
    [ "$(cat "$folder/debian/complete" 2>/dev/null)" != "$*" ] || return 0
    rm -rf "$folder/debian" "$folder/apt"
    mkdir -p "$folder"/debian "$folder"/apt/{lists,archives}/partial
    # Nothing is installed there: all that a package depends on comes along.
    : >"$folder/apt/status"
    foreign "$folder" apt-get -qq update
    kernel=$(foreign "$folder" apt-cache depends linux-image-4kc-malta | sed -n 's/.*Depends: //p')
    foreign "$folder" apt-get -qq --download-only --yes --no-install-recommends install "$@"
    # Without what it depends on, which makes boot disks.
    (cd "$folder/apt/archives" && foreign "$folder" apt-get -qq download "$kernel" 2>/dev/null)
    find "$folder/apt/archives" -name '*.deb' -exec dpkg-deb --extract {} "$folder/debian" \;
    echo "$*" >"$folder/debian/complete"
}

# foreign FOLDER COMMAND...: runs a command of apt for the packages of that machine.
foreign() {
    local apt=$1/apt command=$2
    shift 2
    "$command" -oAPT::Architecture=mipsel -oAPT::Architectures::=mipsel \
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
