#!/bin/sh
# Run by OpenWrt's feed on an emulated machine: test.sh PACKAGE VERSION. Needs no network.

[ "$1" = waproxy ] || exit 0
set -e

waproxy --version | grep -F "$2"
waproxy check | grep -F 'is right'

# That it answers, hears signals and ends shows that its event loop works on this CPU.
folder=$(mktemp -d)
sed "/^config waproxy/,/^\$/s/option enabled '0'/option enabled '1'/" /etc/config/waproxy >"$folder/config"
WAPROXY_STATE_DIR=$folder WAPROXY_CONTROL=$folder/socket
export WAPROXY_STATE_DIR WAPROXY_CONTROL
waproxy run -c "$folder/config" &
daemon=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	sleep 1
	! waproxy status || break
done
waproxy status | grep -F "$2"
kill "$daemon"
wait "$daemon"
rm -r "$folder"
