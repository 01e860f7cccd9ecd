# Bytes copied and summed in one pass, in the fastest code that the processor offers.
#
# move(job) takes an array('I') of 6 words and returns the Internet checksum's sum of what it has
# moved, folded to 16 bits, in the byte order of the machine, the first byte being the low half and
# an odd last byte too: as core/checksum.py's copy_csum() does from a sum of 0.
#
#   0, 1  address of the destination, low and high half; 0: sum only
#   2, 3  address of the source
#   4     bytes, below 64 k
#   5     free for the caller
#
# Halves are for 64-bit ports; elsewhere the high ones are 0. Any alignment will do, and the two
# must not overlap. The plain twin is in tests/unix/ref.py.

from netstack.core.processor import KERNELS

if KERNELS == "thumb":
    from netstack.core.move_thumb import move
elif KERNELS == "64":
    from netstack.core.move_64 import move
else:
    from netstack.core.move_32 import move  # noqa: F401
