"""The inbox rows: what a page and the counts cost in a big tenant, against the same in a small one.

Both tenants stand in one database and are asked by one web process, in turn. Each has people's, the
agent's and closed conversations in the same shares; every conversation has a contact and messages.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice

import httpx

from benchmarks import meter
from benchmarks.ground import Ground
from benchmarks.report import Row
from frontdesk import identity
from frontdesk.core.callers import Role
from frontdesk.core.resources import open_resources
from frontdesk.demo.world import free_port

SMALL = 1_000
VIEWS = ("mine", "unassigned", "ai", "all", "closed")
_PASSWORD = "a-long-benchmark-passphrase"
_WARM_UP = 40
_AT_ONCE = 100_000

# Of ten conversations eight are closed, one is the agent's, one is with people; of twenty of those
# the user has one and five are nobody's. Half of what is open waits.
_CONVERSATIONS = """
SET session_replication_role = replica;
CREATE TEMP TABLE made AS SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS contact_id
FROM generate_series({first}, {last}) AS n;
INSERT INTO contact (tenant_id, id, wa_id, name)
SELECT '{tenant}', contact_id, '1555' || lpad(n::text, 8, '0'), 'Contact ' || n FROM made;
INSERT INTO conversation (tenant_id, id, channel_id, contact_id, agent_id, status,
    assigned_user_id, inbound_seq, handled_seq, waiting_since, last_inbound_at, last_activity_at,
    last_text)
SELECT '{tenant}', id, gen_random_uuid(), contact_id, gen_random_uuid(),
    CASE n % 10 WHEN 0 THEN 'WITH_HUMAN' WHEN 1 THEN 'ACTIVE' ELSE 'CLOSED' END,
    CASE WHEN n % 10 <> 0 OR n / 10 % 20 < 5 THEN NULL
         WHEN n / 10 % 20 = 5 THEN '{user}'::uuid ELSE gen_random_uuid() END,
    1, 0, CASE WHEN n % 10 < 2 AND n / 10 % 2 = 0 THEN at END, at, at, 'How long does it take?'
FROM made, LATERAL (SELECT now() - n * interval '7 seconds' AS at) AS times;
INSERT INTO message (tenant_id, id, conversation_id, channel_id, direction, author, type, text,
    seq, created_at)
SELECT '{tenant}', gen_random_uuid(), id, gen_random_uuid(), direction,
    CASE direction WHEN 'in' THEN 'contact' ELSE 'agent' END, 'text',
    'How long does delivery number ' || n || ' take?', CASE direction WHEN 'in' THEN 1 END,
    now() - n * interval '7 seconds'
FROM made, unnest(ARRAY['in', 'out']) AS direction;
DROP TABLE made;
SET session_replication_role = DEFAULT;
"""


# Filled row by row these would take most of the time; they are made once the rows are there.
_SEARCH_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'gin'
    AND i.indrelid IN ('contact'::regclass, 'conversation'::regclass, 'message'::regclass)
"""


def measure(
    ground: Ground, *, big: int, rounds: int, asks: int, tell: Callable[[str], None]
) -> list[Row]:
    """A page of each view in turn, its second page too, and the counts; p95 of each tenant.

    Args:
        big: how many conversations the big tenant has.
        asks: how many pages of a tenant are asked for in a round.
    """
    sizes = {"big": big, "small": SMALL}
    desks = dict(asyncio.run(_make_desks(ground)))
    sql = ground.sql("frontdesk")
    search_indexes = sql.fetch(_SEARCH_INDEXES)
    for index in search_indexes:
        sql.execute(f"DROP INDEX {index['name']}")
    for name, (tenant_id, user_id) in desks.items():
        for first in range(1, sizes[name] + 1, _AT_ONCE):
            last = min(first + _AT_ONCE - 1, sizes[name])
            sql.execute(
                _CONVERSATIONS.format(first=first, last=last, tenant=tenant_id, user=user_id)
            )
            tell(f"inbox: {last:,} of {sizes[name]:,} conversations")
    for index in search_indexes:
        sql.execute(index["definition"])
    sql.execute("VACUUM ANALYZE")
    tell("inbox: indexed and analysed")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = ground.product_variables(
        WEB__PORT=str(port),
        WEB__PUBLIC_URL=url,
        WEB__INSECURE_COOKIES="true",
        LIMITS__REQUESTS_PER_MINUTE="1000000",
    )
    web = ground.serve("inbox-web", "frontdesk", "web", port=port, variables=variables)
    pages: dict[str, list[float]] = {name: [] for name in desks}
    counts: dict[str, list[float]] = {name: [] for name in desks}
    clients = {name: _sign_in(url, name) for name in desks}
    for client in clients.values():
        _p95(client, islice(_paths(client), _WARM_UP))
    for number in range(rounds):
        for name, client in clients.items():
            pages[name].append(_p95(client, islice(_paths(client), asks)))
            counts[name].append(_p95(client, ["/api/v1/views"] * (asks // 5)))
        tell(f"inbox: round {number + 1} of {rounds}")
    for client in clients.values():
        client.close()
    ground.end(web)
    of = f"{big:,} conversations against {SMALL:,}"
    return [
        Row(f"inbox page p95, {of}", "ms", pages["big"], pages["small"], must=2, aim=1.2),
        Row(f"inbox counts p95, {of}", "ms", counts["big"], counts["small"], must=None, aim=2),
    ]


async def _make_desks(ground: Ground) -> list[tuple[str, tuple[object, object]]]:
    made = []
    async with (
        open_resources(ground.settings(), {}) as resources,
        resources.db.system_transaction() as tx,
    ):
        for name in ("big", "small"):
            tenant = await identity.create_tenant(tx, f"{name} shop", f"benchmark-{name}")
            user_id = await identity.create_user(tx, f"{name}@benchmark.example", name, _PASSWORD)
            await identity.add_member(tx, tenant.id, user_id, Role.HUMAN_AGENT)
            made.append((name, (tenant.id, user_id)))
    return made


def _sign_in(url: str, name: str) -> httpx.Client:
    client = httpx.Client(base_url=url, headers={"Origin": url}, trust_env=False)
    body = {"email": f"{name}@benchmark.example", "password": _PASSWORD}
    client.post("/api/v1/auth/sign-in", json=body).raise_for_status()
    return client


def _paths(client: httpx.Client) -> Iterator[str]:
    """Each view's first page and the one after it, over and over."""
    first = [f"/api/v1/conversations?view={view}&limit=25" for view in VIEWS]
    cursors = [client.get(path).raise_for_status().json()["next_cursor"] for path in first]
    second = [
        f"{path}&cursor={cursor}" for path, cursor in zip(first, cursors, strict=True) if cursor
    ]
    return cycle(first + second)


def _p95(client: httpx.Client, paths: Iterable[str]) -> float:
    took = []
    for path in paths:
        began = time.perf_counter()
        client.get(path).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return meter.percentile(took, 0.95)
