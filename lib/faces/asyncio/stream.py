# asyncio's streams, on netstack.
from netstack.api.streams import *  # noqa: F403
