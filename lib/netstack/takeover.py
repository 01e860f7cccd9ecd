# import netstack.takeover: from then on `socket`, `usocket` and `network` are netstack, for every
# program of this firmware, whatever modules of these names are built into it. Of use where
# netstack is not frozen, in boot.py; ahead of what the firmware has, an import looks into sys.modules.

import sys
from netstack.api import network, socket

sys.modules["network"] = network
sys.modules["socket"] = sys.modules["usocket"] = socket
