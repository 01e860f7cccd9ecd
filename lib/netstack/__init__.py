# netstack: a TCP/IP stack in MicroPython. Names are loaded when they are first used.

fastpath = True  # False: every packet takes the slow path, which does the same

_NAMES = {
    "Stack": "netstack.core.stack",
    "advertise": "netstack.api.router6",
    "create_connection": "netstack.api.eyeballs",
    "delegate": "netstack.api.delegate",
    "getaddrinfo": "netstack.api.resolve",
    "hosts": "netstack.api.resolve",
    "ifconfig": "netstack.api.look",
    "neigh": "netstack.api.look",
    "nslookup": "netstack.api.look",
    "open_connection": "netstack.api.eyeballs",
    "path_mtu": "netstack.api.path_mtu",
    "ping": "netstack.api.ping",
    "readable": "netstack.api.until",
    "relay": "netstack.api.relay6",
    "route": "netstack.api.look",
    "serve": "netstack.api.serve",
    "ss": "netstack.api.look",
    "traceroute": "netstack.api.traceroute",
    "until": "netstack.api.until",
    "writable": "netstack.api.until",
}


def __getattr__(name):
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(name)
    value = getattr(__import__(module, None, None, (name,)), name)
    globals()[name] = value
    return value
