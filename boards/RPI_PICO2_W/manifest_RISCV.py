# Everything frozen into the RPI_PICO2_W image for its RISC-V cores.
include("../../ports/rp2/manifest.py", kernels=("32",), wlan=True)
module("board.py", base_path="../RPI_PICO_W")  # the same radio
