# Everything frozen into the RPI_PICO_W image.
include("../../ports/rp2/manifest.py", wlan=True)
module("board.py", base_path=".")
