# Everything frozen into the RPI_PICO2_W image.
include("../../ports/rp2/manifest.py", wlan=True)
module("board.py", base_path="../RPI_PICO_W")  # the same radio
