# The programs are there already, and static: nothing to build, nothing that they depend on.
RUST_ARCH_DEPENDS :=
RustBinPackage :=
