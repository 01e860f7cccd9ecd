# Which machine code suits the processor: KERNELS is what the names of its modules end in. A build
# freezes these only (lib/manifest.py).

import sys
from micropython import const

_ARMV6M = const(4)  # py/persistentcode.h: these and what is between them run Thumb code only
_ARMV7EMDP = const(8)

_arch = getattr(sys.implementation, "_mpy", 0) >> 10 & 0xF

KERNELS = "32"
if _ARMV6M <= _arch <= _ARMV7EMDP and sys.platform != "linux":
    KERNELS = "thumb"
elif sys.maxsize >> 32:
    KERNELS = "64"
