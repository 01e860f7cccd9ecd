"""rp2040py's CYW43439 with a wire behind it, and what that lacks: networks that it does not know,
keys, an access point of the board's own.

In reach is RP2040PY-GUEST, which takes anybody, or whose key is KEY when one is given. While the
board is an access point, whoever sends frames over the wire is a station of it.
"""

from rp2040py.external.cyw43 import Cyw43439, bus

KEY = b"an open secret"
_SSID = b"RP2040PY-GUEST"
_RSSI = -87

_GET_RSSI = 127
_GET_ASSOCLIST = 159
_SET_KEY = 268  # WLC_SET_WSEC_PMK
_MAX_STATIONS = 10
_AP = 1  # interface
_NO_NETWORK = 3
_BAD_KEY = 8, 14  # status and reason of PSK_SUP


def _number(n, size=4):
    return n.to_bytes(size, "little", signed=n < 0)


class Bus(bus.GSPIBus):
    def __init__(self):
        super().__init__()
        self.key = None
        self.access_point = False
        self.stations = []  # MACs
        self._payload = b""
        self._answer = b""

    def _write_wlan(self, data):
        head = bus.SDPCM_HEADER_LEN
        kind = data[5] & 15
        if kind == bus.CONTROL_HEADER:
            command = int.from_bytes(data[head : head + 4], "little")
            self._payload = data[head + bus.IOCTL_HEADER_LEN :]
            self._answer = self._asked(command, self._payload)
        super()._write_wlan(data)
        if kind == bus.CONTROL_HEADER:
            self._told(command, self._payload)

    def _asked(self, command, payload):
        if command == _GET_RSSI:
            return _number(_RSSI)
        if command == _GET_ASSOCLIST:
            return _number(len(self.stations)) + b"".join(self.stations)
        if command == bus.WLC_GET_VAR and payload.startswith(b"maxassoc\0"):
            return _number(_MAX_STATIONS)
        if command == bus.WLC_GET_VAR and not payload[:1].isalpha():
            return payload  # no name is left as it is: the driver asks twice for "maxassoc"
        return b""

    def _told(self, command, payload):
        if command == _SET_KEY:
            self.key = payload[4 : 4 + int.from_bytes(payload[:2], "little")]
        elif command == bus.WLC_SET_VAR and payload.startswith(b"bsscfg:sup_wpa\0"):
            if not payload[19]:
                self.key = None
        elif command == bus.WLC_SET_VAR and payload.startswith(b"bss\0"):
            up = bool(payload[8])
            if up != self.access_point:
                self.access_point = up
                self.stations.clear()
                self._event(bus.CYW43_EV_LINK, 0, flags=int(up), interface=_AP)

    def _build_ioctl_success_response(self, request_id, response_len=0, *, response_prefix=b""):
        prefix = self._answer or response_prefix
        return super()._build_ioctl_success_response(
            request_id, response_len, response_prefix=prefix
        )

    def _event(self, kind, status, **more):
        self.queue_rx_packet(self._build_async_event(kind, status, **more))

    def _queue_join_events(self):
        size = int.from_bytes(self._payload[:4], "little")
        if self._payload[4 : 4 + size] != _SSID:
            self._event(bus.CYW43_EV_SET_SSID, _NO_NETWORK)
        elif self.key not in (None, KEY):
            for kind in (bus.CYW43_EV_SET_SSID, bus.CYW43_EV_AUTH, bus.CYW43_EV_ASSOC):
                self._event(kind, 0)
            status, reason = _BAD_KEY
            self._event(bus.CYW43_EV_PSK_SUP, status, reason=reason)
        else:
            super()._queue_join_events()


class CYW43:
    link = False
    transmit = None  # called with each frame sent

    def __init__(self):
        self._chip = Cyw43439()
        self._chip.bus = self._bus = Bus()

    def attach(self, mcu):
        self._chip.attach(mcu)
        self._bus.nat_bridge = self  # in place of rp2040py's own, which knows no such wire

    def handle_outbound_ethernet_frame(self, frame):
        if self.transmit:
            self.transmit(frame)

    def reset(self):
        pass

    def receive(self, frame):
        """A frame arrives from the wire."""
        point = self._bus.access_point
        if point and frame[6:12] not in self._bus.stations:
            self._bus.stations.append(frame[6:12])
            del self._bus.stations[_MAX_STATIONS:]
        self._bus.queue_rx_ethernet_frame(frame, interface=_AP if point else 0)
