# Frames that are a little wrong: for the tests in fuzz.

import struct


def mutate(rnd, frame, other):
    """`frame` with one to three changes, a part of `other` perhaps among them."""
    frame = bytearray(frame)
    for _ in range(1 + rnd.below(3)):
        if not frame:
            break
        what = rnd.below(9)
        at = rnd.below(len(frame))
        if what == 0:
            frame[at] ^= 1 << rnd.below(8)
        elif what == 1:
            frame[at] = rnd.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
        elif what == 2:
            frame[at] = rnd.below(256)
        elif what == 3:
            frame = frame[:at]
        elif what == 4:
            frame += rnd.bytes(1 + rnd.below(60))
        elif what == 5:
            frame = frame[:at] + frame[at + 1 + rnd.below(4) :]
        elif what == 6:
            frame = frame[:at] + rnd.bytes(1 + rnd.below(4)) + frame[at:]
        elif what == 7:
            frame = frame[:at] + other[at:]
        elif at + 2 <= len(frame):  # a 16-bit field that lies
            value = rnd.choice((0, 1, 7, 8, 19, 20, 0x7FFF, 0x8000, 0xFFFF, len(frame)))
            frame[at : at + 2] = struct.pack("!H", value)
    return frame
