# MicroPython's network.WLAN, on a board whose board.radio(interface) gives a NIC that is told of
# networks: see ports/rp2/modules/cyw43_wifi.py. What is the same on every interface is LAN's.

from micropython import const
from netstack.api import network as _network
from netstack.api import state as _state

STAT_IDLE = const(0)
STAT_CONNECTING = const(1)
STAT_GOT_IP = const(3)
STAT_CONNECT_FAIL = const(-1)
STAT_NO_AP_FOUND = const(-2)
STAT_WRONG_PASSWORD = const(-3)

_AP_ADDRESS = ("192.168.4.1", "255.255.255.0")
_AP_POOL = ("192.168.4.16", "192.168.4.23")  # as MicroPython's own
_OPEN = const(0)
_WPA2 = const(0x00400006)  # with WPA for who has nothing better
_KEY_MIN = const(8)
_PM_KEEP = const(0xA11140)
del const
_CONFIG = ("ssid", "essid", "security", "key", "password", "channel", "pm")


class WLAN(_network.LAN):
    """WLAN(WLAN.IF_STA) joins networks, WLAN(WLAN.IF_AP) is one. With the address that it has by
    itself, it gives others to its stations; with one of the program's, netstack.serve() does."""

    IF_STA = 0
    IF_AP = 1
    SEC_OPEN = _OPEN
    SEC_WPA_WPA2 = _WPA2
    SEC_WPA3 = 0x01000004
    SEC_WPA2_WPA3 = 0x01400004
    PM_NONE = 0x10
    PM_PERFORMANCE = 0xA11142
    PM_POWERSAVE = 0xA11C82

    def __init__(self, interface_id=0):
        if interface_id not in (0, 1):
            raise ValueError("WLAN(%s): IF_STA or IF_AP" % interface_id)
        name = "wlan%d" % interface_id
        self._interface = interface_id
        self._wire = _state.lans.get(name)
        if self._wire is None:
            import board

            nic = board.radio(interface_id)
            nic.country = _network.country()
            self._wire = _state.lans[name] = _network._Wire(nic, name)
            nic.net = None  # what gives addresses to our stations
            nic.settings = {
                "ssid": b"",
                "security": _OPEN,
                "key": b"",
                "channel": 3,
                "pm": _PM_KEEP,
            }
        self._nic = self._wire.nif.nic

    def active(self, up=None):
        if up is None or bool(up) == self._wire.nif.up:
            return _network.LAN.active(self, up)
        nic = self._nic
        if not up:
            if nic.net:
                nic.net.stop()
                nic.net = None
            _network.LAN.active(self, False)
            nic.up(False)
            return
        nic.country = _network.country()
        point = self._interface == self.IF_AP
        if point:
            had = nic.settings
            nic.raw.access_point(had["ssid"], had["key"], had["security"], had["channel"])
            if not self._wire.manual:
                self.ipconfig(addr4=_AP_ADDRESS)
        nic.up(True)
        _network.LAN.active(self, True)
        if point and self.ipconfig("addr4")[0] == _AP_ADDRESS[0]:
            from netstack.api import serve

            nic.net = serve.serve(self, *_AP_POOL, dns=False)

    # -- networks ---------------------------------------------------------------------------

    def scan(self, **_):
        """[(ssid, bssid, channel, RSSI, security, hidden), ...]"""
        return [each + (not each[0],) for each in self._nic.raw.scan()]

    def connect(self, ssid=None, key=None, *, bssid=None, security=None):
        """Join a network; does not wait. Without arguments: the same again."""
        had = self._nic.settings
        if ssid is not None:
            had["ssid"] = _octets(ssid)
            had["key"] = _octets(key or b"")
            had["security"] = security if security is not None else _WPA2 if key else _OPEN
        if had["security"] != _OPEN and len(had["key"]) < _KEY_MIN:
            raise ValueError("key of %d bytes: at least %d" % (len(had["key"]), _KEY_MIN))
        self._nic.raw.join(had["ssid"], had["key"], had["security"], bssid)
        self._nic.joining = True

    def disconnect(self):
        self._nic.joining = False
        self._nic.raw.leave()

    def isconnected(self):
        if self._interface == self.IF_AP:
            return bool(self._nic.raw.stations())
        return bool(self._nic.link()) and _network.LAN.isconnected(self)

    def status(self, param=None):
        """A STAT_ number; status("rssi"), status("stations"), status("error")."""
        raw = self._nic.raw
        if param == "rssi":
            return raw.rssi()
        if param == "stations":
            return [(mac,) for mac in raw.stations()]
        if param is not None:
            return _network.LAN.status(self, param)
        if self._interface == self.IF_AP or not self._wire.nif.up:
            return STAT_GOT_IP if self._wire.nif.up else STAT_IDLE
        status = raw.status()
        if status == STAT_CONNECTING and self._nic.link():
            return _network.LAN.status(self)  # 2: no address yet, 3: it has one
        return status

    # -- settings ---------------------------------------------------------------------------

    def config(self, *args, **kwargs):
        for name in tuple(kwargs):
            if name in _CONFIG:
                self._set_radio(name, kwargs.pop(name))
        if kwargs or args and args[0] not in _CONFIG:
            return _network.LAN.config(self, *args, **kwargs)
        if args:
            if len(args) != 1 or args[0] in ("key", "password"):
                raise ValueError("config param %s cannot be asked for" % args[0])
            value = self._nic.settings["ssid" if args[0] == "essid" else args[0]]
            return value.decode() if isinstance(value, bytes) else value

    def _set_radio(self, name, value):
        had = self._nic.settings
        if name == "essid":
            name = "ssid"
        elif name == "password":
            name = "key"
        if name in ("ssid", "key"):
            value = _octets(value)
        had[name] = value
        if name == "key":
            had["security"] = _WPA2 if value else _OPEN
        elif name == "pm":
            self._nic.raw.power(value)


def _octets(text):
    return text.encode() if isinstance(text, str) else bytes(text)
