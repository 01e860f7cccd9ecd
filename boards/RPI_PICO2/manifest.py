# Everything frozen into the RPI_PICO2 image.
include("../../ports/rp2/manifest.py", nics=("w5500", "enc28j60"))
module("board.py", base_path="../RPI_PICO")  # wired the same way
