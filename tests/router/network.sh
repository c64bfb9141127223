#!/bin/sh
# shellcheck shell=dash
#
# A stand-in of our own for /lib/functions/network.sh: the addresses of a network are those that the
# file /var/run/network/NAME lists, a line each, and its device is in /var/run/network/NAME.device.

network_flush_cache() { :; }

# network_get_ipaddrs VARIABLE NETWORK, and the same for IPv6; fails where there are none.
network_get_ipaddrs() { addresses_into "$1" "$(grep -v : "/var/run/network/$2" 2>/dev/null)"; }
network_get_ipaddrs6() { addresses_into "$1" "$(grep : "/var/run/network/$2" 2>/dev/null)"; }

# network_get_device VARIABLE NETWORK; fails where it has none.
network_get_device() {
	[ -f "/var/run/network/$2.device" ] && eval "$1=\$(cat /var/run/network/$2.device)"
}

addresses_into() {
	# shellcheck disable=SC2086 # lines become words
	[ -n "$2" ] && eval "$1=\$(echo \$2)"
}
