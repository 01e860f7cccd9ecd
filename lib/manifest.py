# The stack as every port freezes it. Directories are taken whole, so that the next build freezes a
# new file without its being listed.
#
#   kernels  what the names of the kernels that suit the processor end in: "thumb" (Cortex-M; other
#            processors' compilers do not take it), "64", "32" (any other)
#
# Some parts are left out, unless make runs with what stands beside them set to 1.
import os

options.defaults(kernels=("32", "64"))

_KERNELS = ("thumb", "64", "32")
_OPTIONAL = {
    "transport/tcp/fastopen.py": "NETSTACK_FASTOPEN",
    "api/links.py": "NETSTACK_ROUTER",
    "link/bridge.py": "NETSTACK_ROUTER",
    "link/vlan.py": "NETSTACK_ROUTER",
    "services/dhcpd.py": "NETSTACK_ROUTER",
    "services/dhcpd_leases.py": "NETSTACK_ROUTER",
    "services/dns_forward.py": "NETSTACK_ROUTER",
    "api/serve.py": "NETSTACK_ROUTER",
}


def _files(top):
    for where, _, names in sorted(os.walk(top)):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(where, name), top)
            if path in _OPTIONAL and os.environ.get(_OPTIONAL[path], "0") == "0":
                continue
            kernel = name[:-3].rpartition("_")[2]
            if name.endswith(".py") and (kernel not in _KERNELS or kernel in options.kernels):
                yield path


package("netstack", files=_files("netstack"))
