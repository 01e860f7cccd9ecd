# Which machine code suits the processor: KERNELS is what the names of its modules end in. A build
# freezes these only (lib/manifest.py).
#
# And what tells who asks, where Python can run beside itself: INTERRUPT is the address of a word
# whose low nine bits are not 0 in a hard interrupt, CORE of one that is not 0 on another core than
# the first; 0: there is no such thing, or no telling.

import sys
from micropython import const

_ARMV6M = const(4)  # py/persistentcode.h: these and what is between them run Thumb code only
_ARMV7EMDP = const(8)

_arch = getattr(sys.implementation, "_mpy", 0) >> 10 & 0xF

KERNELS = "32"
INTERRUPT = CORE = 0
if _ARMV6M <= _arch <= _ARMV7EMDP and sys.platform != "linux":
    KERNELS = "thumb"
    INTERRUPT = 0xE000ED04  # ICSR, whose VECTACTIVE that is (ARMv6-M B3.2.4)
elif sys.maxsize >> 32:
    KERNELS = "64"
if sys.platform == "rp2":
    CORE = 0xD0000000  # CPUID of SIO (RP2040 datasheet 2.3.1.1, RP2350's 3.1.2)


def refuse():
    """Called for a hard interrupt and for another core. The text needs memory, which a hard
    interrupt has after micropython.alloc_emergency_exception_buf()."""
    text = "sockets are for the first core, and not for hard interrupts: micropython.schedule()"
    raise RuntimeError(text)
