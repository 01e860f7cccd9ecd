"""rp2040py's CYW43439, with the network RP2040PY-GUEST in reach and a wire behind that."""

from rp2040py.external.cyw43 import Cyw43439


class CYW43:
    link = False
    transmit = None  # called with each frame sent

    def __init__(self):
        self._chip = Cyw43439()

    def attach(self, mcu):
        self._chip.attach(mcu)
        self._chip.bus.nat_bridge = self  # in place of rp2040py's own, which knows no such wire

    def handle_outbound_ethernet_frame(self, frame):
        if self.transmit:
            self.transmit(frame)

    def reset(self):
        pass

    def receive(self, frame):
        """A frame arrives from the wire."""
        self._chip.bus.queue_rx_ethernet_frame(frame)
