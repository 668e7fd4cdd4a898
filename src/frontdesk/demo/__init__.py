"""The demo: all of Frontdesk on one machine with a shop to look at, and a check of it from outside."""

from frontdesk.demo.check import run_check
from frontdesk.demo.day import SHOP_DAY
from frontdesk.demo.desk_day import DESK_DAY
from frontdesk.demo.errors import DemoError
from frontdesk.demo.first_tenant import set_up
from frontdesk.demo.places import Address, find_phone
from frontdesk.demo.run import run_demo

__all__ = [
    "DESK_DAY",
    "SHOP_DAY",
    "Address",
    "DemoError",
    "find_phone",
    "run_check",
    "run_demo",
    "set_up",
]
