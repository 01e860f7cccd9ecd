# import netstack.takeover: from then on `socket`, `usocket` and `network` are netstack, for every
# program of this firmware, whatever modules of these names are built into it. Of use where
# netstack is not frozen, in boot.py: an import looks into sys.modules before it looks at what the
# firmware has.

import sys
from netstack.api import network, socket

sys.modules["network"] = network
sys.modules["socket"] = sys.modules["usocket"] = socket
