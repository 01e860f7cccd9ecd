# Random numbers: from os.urandom, or from a seed so that a test repeats itself to the byte.

from array import array


@micropython.viper
def _xorshift(state: ptr32) -> int:
    # Marsaglia, "Xorshift RNGs" (2003), 32 bits, shifts 13, 17, 5
    x = uint(state[0])
    x ^= x << 13
    x = (x & uint(0x3FFFFFFF)) | ((x >> 30 & 3) << 30)
    x ^= x >> 17
    x ^= x << 5
    state[0] = int(x)
    return int((x >> 8) & 0xFFFF)


class Random:
    """seed: int or None. None draws from os.urandom and is unpredictable; an int is neither."""

    def __init__(self, seed=None):
        self._state = None
        if seed is None:
            from os import urandom  # once: each import looks through the file system first

            self._urandom = urandom
        else:
            self._state = array("I", [(seed * 2654435761 + 1) & 0xFFFFFFFF or 1])

    def bits16(self):
        """0 .. 65535"""
        if self._state is not None:
            return _xorshift(self._state)
        b = self._urandom(2)
        return (b[0] << 8) | b[1]

    def below(self, n):
        """0 .. n-1, n <= 65536"""
        return self.bits16() * n >> 16

    def fill(self, buf, off, n):
        """Fill `n` bytes at `off`."""
        i = 0
        while i < n:
            buf[off + i] = self.bits16() & 0xFF
            i += 1
