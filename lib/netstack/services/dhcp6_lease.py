# What DHCPv6 servers have given to an interface: addresses, which it then has (RFC 8415
# 18.2.10.1), and prefixes, which are for others. Each lasts as long as its own lifetime.

from micropython import const
from netstack.inet import address6
from netstack.inet.lifetime import FOREVER
from netstack.services.dhcp6_message import PREFIXES

_MOST = const(8)  # addresses and prefixes together


class Lease:
    def __init__(self, nif, changed):
        self.nif = nif
        self.ip = nif.st.ip6
        self.life = self.ip.life
        self.items = []  # Item of dhcp6_message.py
        self._changed = changed  # callable: prefixes have come, gone or been renewed

    def prefixes(self):
        return [item for item in self.items if item.kind == PREFIXES]

    def take(self, items):
        """Hold what a server has given, or renew it; a valid lifetime of 0 takes it away. Returns
        how many count, and how many could not be taken."""
        taken = refused = 0
        for item in items:
            mine = None
            for other in self.items:
                if other.same(item):
                    mine = other
            if item.valid == 0:
                if mine:
                    self.drop([mine])
                continue
            item.preferred = self.life.after(item.preferred)
            item.valid = self.life.after(item.valid)
            if mine:
                self._renew(mine, item)
            elif len(self.items) == _MOST or not self._configure(item):
                refused += 1
                continue
            else:
                self.items.append(item)
            taken += 1
        if self.prefixes():
            self._changed()
        return taken, refused

    def _configure(self, item):
        """RFC 5942 4: an address says nothing about what else is on the link: it has no prefix."""
        if item.kind == PREFIXES:
            return True
        try:
            item.entry = self.ip.add(
                self.nif, item.addr, 128, address6.DHCP, item.preferred, item.valid
            )
        except OSError:  # we have it otherwise, or too many
            return False
        return True

    def _renew(self, mine, item):
        mine.preferred = item.preferred
        mine.valid = item.valid
        if mine.entry:
            mine.entry.renew(item.preferred, item.valid, self.life)

    def drop(self, items):
        """Hold these no longer."""
        if not items:
            return
        self.items = [item for item in self.items if item not in items]
        prefixes = False
        for item in items:
            prefixes = prefixes or item.kind == PREFIXES
            if item.entry and item.entry in self.nif.v6.list:
                self.ip.remove(self.nif, item.entry)
        if prefixes:
            self._changed()

    def duplicates(self):
        """Those that another station has: the check of inet/dad.py has found out."""
        return [
            item for item in self.items if item.entry and item.entry.state == address6.DUPLICATE
        ]

    def expire(self):
        """Drop what has had its time; the moment at which the next has."""
        now = self.life.now()
        self.drop([item for item in self.items if item.valid <= now])
        return min([item.valid for item in self.items] + [FOREVER])
