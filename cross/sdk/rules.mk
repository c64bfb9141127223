# What a package's Makefile expects of an OpenWrt SDK, so that cross/pack can take from it what the
# package holds: the same file says it to the SDK and to us. Only what our Makefiles use is here.
INCLUDE_DIR := $(TOPDIR)

INSTALL_DIR := install -d -m 0755
INSTALL_BIN := install -m 0755
INSTALL_CONF := install -m 0600
INSTALL_DATA := install -m 0644
CP := cp -fpR
LN := ln -sfn
