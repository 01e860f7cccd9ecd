# Frozen into every board of this port. What is not there is left out; NETSTACK=0 in make's
# command line builds a board without the stack and its drivers, NETSTACK_TLS=0 without TLS.
#
#   kernels  see lib/manifest.py
#   nic      the board's driver, of those in modules/
import os

options.defaults(kernels=("32",), nic=None)

_NICS = {"lan9118": "lan9118", "lan9118_thumb": "lan9118", "virtio_net": "virtio_net"}

_netstack = os.environ.get("NETSTACK", "1") != "0"
for _name in sorted(os.listdir("modules")):
    _module, _, _ext = _name.partition(".")
    if _ext == "py" and _NICS.get(_module, options.nic) == options.nic:
        if _netstack or _module == "_boot":
            freeze("modules", _name, opt=1)

_lib = os.path.abspath("../../lib")
if os.environ.get("NETSTACK_TLS", "1") != "0":
    module("ssl.py", base_path=_lib)
    module("ussl.py", base_path=_lib)
if not _netstack:
    include("$(MPY_DIR)/extmod/asyncio")
else:
    include(os.path.join(_lib, "faces"))
    for _face in ("socket.py", "usocket.py", "network.py"):
        if os.path.exists(os.path.join(_lib, _face)):
            module(_face, base_path=_lib)
    if os.path.exists(os.path.join(_lib, "netstack", "__init__.py")):
        include(os.path.join(_lib, "manifest.py"), kernels=options.kernels, nics=())
