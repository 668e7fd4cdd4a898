"""Which addresses on the internet are anybody's to reach. Pure: nothing is looked up here."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

# The only part of IPv6 that is routed publicly. Python's `is_global` is true for much around it.
_UNICAST = IPv6Network("2000::/3")
_DOCUMENTATION = IPv6Network("3fff::/20")
# Behind its last 32 bits is any IPv4 address.
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, and so is every one that travels inside it.

    `::ffff:127.0.0.1`, `64:ff9b::7f00:1`, `2002:7f00:1::` and Teredo's addresses are loopback
    in other clothes: whoever routes them unpacks them.
    """
    carried = list(_carried(address))
    if carried:
        return all(map(is_public, carried))
    if isinstance(address, IPv6Address) and (address not in _UNICAST or address in _DOCUMENTATION):
        return False
    return address.is_global and not address.is_multicast


def is_loopback(address: Address) -> bool:
    """Whether an address is this machine's own, in whatever clothes."""
    carried = list(_carried(address))
    return all(map(is_loopback, carried)) if carried else address.is_loopback


def _carried(address: Address) -> Iterator[Address]:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if address in _NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
