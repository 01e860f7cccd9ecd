# Frozen into every board of this port. What is not there is left out; NETSTACK=0 in make's
# command line builds a board without the stack.
#
#   kernels  see lib/manifest.py
import os

options.defaults(kernels=("32",))

include("$(MPY_DIR)/extmod/asyncio")

freeze("modules", opt=1)

_lib = os.path.abspath("../../lib")
if os.environ.get("NETSTACK", "1") != "0":
    for _face in ("socket.py", "network.py"):
        if os.path.exists(os.path.join(_lib, _face)):
            module(_face, base_path=_lib)
    if os.path.exists(os.path.join(_lib, "netstack", "__init__.py")):
        include(os.path.join(_lib, "manifest.py"), kernels=options.kernels)
