"""What answers over HTTP are made of."""

from decimal import Decimal

from frontdesk.core.json import dumps, loads
from frontdesk.core.pages import Exact, PublicSchema


class _Sum(PublicSchema):
    usd: Exact


def test_a_sum_is_told_without_an_exponent() -> None:
    for told in ("0.000000000", "0.000000120", "12.5"):
        usd = Decimal(told)
        assert loads(_Sum(usd=usd).model_dump_json()) == {"usd": told}
        assert loads(dumps({"usd": usd})) == {"usd": told}
        assert _Sum(usd=usd).usd == usd
