# Frozen into every RP2 board. What is not there is left out; NETSTACK=0 in make's command line
# builds a board without the stack.
#
#   kernels  see lib/manifest.py
#   nics     the drivers its board.py may ask for, of those in lib/netstack/nic
#   wlan     network.WLAN(), by the CYW43439 of a Pico W
import os

options.defaults(kernels=("thumb",), nics=(), wlan=False)

freeze("$(PORT_DIR)/modules", ("_boot_fat.py", "rp2.py"))
module("_boot.py", base_path="modules")
if options.wlan:
    module("cyw43_wifi.py", base_path="modules", opt=3)

_lib = os.path.abspath("../../lib")
if os.environ.get("NETSTACK", "1") == "0":
    include("$(MPY_DIR)/extmod/asyncio")
else:
    include(os.path.join(_lib, "faces"))
    for _face in ("socket.py", "usocket.py", "network.py"):
        module(_face, base_path=_lib)
    include(
        os.path.join(_lib, "manifest.py"),
        kernels=options.kernels,
        nics=options.nics,
        wlan=options.wlan,
        opt=3,
    )
