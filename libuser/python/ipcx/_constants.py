# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""Constants of the headers, without IPCX_. The package exports all that is here."""

# flags of Queue.open(), Topic.open() and Region.open()
CREATE = 1 << 0
EXCL = 1 << 1
SEND = 1 << 2
RECV = 1 << 3
EPHEMERAL = 1 << 4
SEALED = 1 << 5
PUBLISH = 1 << 6
SUBSCRIBE = 1 << 7
LOSSY = 1 << 8
OPEN_RELIABLE = 1 << 9
READ = 1 << 10
WRITE = 1 << 11
INHERIT = 1 << 31

# bits of caps()
CAP_ZERO_COPY = 1 << 0
CAP_REDELIVERY = 1 << 1
CAP_RECLAIM = 1 << 2
CAP_IDENTITY = 1 << 3
CAP_WALLS = 1 << 4
CAP_ACCOUNTING = 1 << 5
CAP_PRIORITY = 1 << 6
CAP_MANY_SENDERS = 1 << 7
CAP_MANY_RECEIVERS = 1 << 8
CAP_POLL = 1 << 9
CAP_PERSISTENT = 1 << 10
CAP_SEALED = 1 << 11
CAP_CALL = 1 << 12
CAP_FAN_OUT = 1 << 13
CAP_HISTORY = 1 << 14
CAP_DURABLE = 1 << 15
CAP_SEALS = 1 << 14
CAP_REGIONS = 1 << 16

# bits of Message.flags
POISON = 1 << 0
EXPIRED = 1 << 1
REQUEST = 1 << 2
CANCELED = 1 << 4
OWNERDEAD = 1 << 5
REGIONS = 1 << 6

# policies of a queue
BLOCK, FAIL, DROP_OLDEST, DROP_NEWEST = range(4)

# of Region.seal()
SEAL_SEAL = 1 << 0
SEAL_SHRINK = 1 << 1
SEAL_GROW = 1 << 2
SEAL_WRITE = 1 << 3
SEAL_FUTURE_WRITE = 1 << 4

# of Listed.kind
LISTED_QUEUE, LISTED_TOPIC, LISTED_REGION = 1, 2, 3
