# The board's chip, for ports/rp2/Makefile.
CHIP := RP2350
