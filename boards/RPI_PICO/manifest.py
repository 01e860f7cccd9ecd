# Everything frozen into the RPI_PICO image.
include("../../ports/rp2/manifest.py", nics=("w5500", "enc28j60"))
module("board.py", base_path=".")
