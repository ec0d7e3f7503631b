#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Bridges over the kernel's queues and topics, in a guest: some of bridge/bridge.py, in a network of
# its own, with which its names go. TAP on stdout.
# shellcheck disable=SC2016 # for that shell
exec unshare --net sh -c 'ip link set lo up && exec python3 "$0/bridge/bridge.py" =kinds =removed' "$(dirname "$0")"
