# netstack: a TCP/IP stack in MicroPython. Names are loaded when they are first used.

fastpath = True  # False: every packet takes the slow path, which does the same


def __getattr__(name):
    for module, names in (  # in flash, where it is frozen
        ("core.stack", ("Stack",)),
        ("api.router6", ("advertise",)),
        ("api.eyeballs", ("create_connection", "open_connection")),
        ("api.delegate", ("delegate",)),
        ("api.resolve", ("getaddrinfo", "hosts")),
        ("api.look", ("ifconfig", "neigh", "nslookup", "route", "ss")),
        ("api.path_mtu", ("path_mtu",)),
        ("api.ping", ("ping",)),
        ("api.until", ("readable", "until", "writable")),
        ("api.relay6", ("relay",)),
        ("api.serve", ("serve",)),
        ("api.traceroute", ("traceroute",)),
    ):
        if name in names:
            module = __import__("netstack." + module, None, None, (name,))
            globals()[name] = value = getattr(module, name)
            return value
    raise AttributeError(name)
