# Which machine code suits the processor: KERNELS is what the names of its modules end in. A build
# freezes these only (lib/manifest.py).
#
# And where Python can run beside itself. INTERRUPT is the address of a word whose low nine bits
# are not 0 in a hard interrupt. CORE is that of the number of who asks, where several cores run
# Python at once, and SPIN that of what one of them can have: who reads 0 is too late, to write
# gives it back. 0: there is no such thing, or no telling.

import sys
from micropython import const

_ARMV6M = const(4)  # py/persistentcode.h: these and what is between them run Thumb code only
_ARMV7EMDP = const(8)

_arch = getattr(sys.implementation, "_mpy", 0) >> 10 & 0xF

KERNELS = "32"
INTERRUPT = CORE = SPIN = 0
if _ARMV6M <= _arch <= _ARMV7EMDP and sys.platform != "linux":
    KERNELS = "thumb"
    INTERRUPT = 0xE000ED04  # ICSR, whose VECTACTIVE that is (ARMv6-M B3.2.4)
elif sys.maxsize >> 32:
    KERNELS = "64"
if sys.platform == "rp2":
    # RP2040 datasheet 2.3.1.1, 2.3.1.3; RP2350's 3.1.2, 3.1.4. Of the 32 spinlocks of an RP2040,
    # the SDK leaves number 15 to an operating system, which MicroPython has none of. On an RP2350
    # it uses none, and number 31 is one of those that erratum RP2350-E2 spares. 0x100 is where
    # number 0 is.
    CORE = 0xD0000000
    SPIN = 0xD000017C
    if "RP2350" not in sys.implementation._machine:
        SPIN = 0xD000013C
del _arch


def refuse():
    """Called for a hard interrupt. The text needs memory, which that has after
    micropython.alloc_emergency_exception_buf()."""
    raise RuntimeError("sockets are not for hard interrupts: micropython.schedule()")
