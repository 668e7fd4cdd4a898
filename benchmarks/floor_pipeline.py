"""The floor of the pipeline rows: the delivery design in one process, and nothing a product needs.

Durable accept, receive, debounce, claim with a lease, two model calls through LiteLLM, decide under
the conversation's lock, mark, send, finish, statuses, one feed counter: each step is the one short
transaction the design asks for. No tenants, no row-level security, no settings, no rules, no
knowledge search, no guard, no trace, no retries, no sweep, no second process, no metrics.
"""

import asyncio
import gc
import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import orjson
import uvicorn

from benchmarks.floor_accept import keep_as_it_is
from benchmarks.litellm_alone import close_litellm, load_litellm

Message = MutableMapping[str, Any]

SCHEMA = """
CREATE TABLE webhook_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL,
    state text NOT NULL DEFAULT 'pending', attempts int NOT NULL DEFAULT 0,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON webhook_event (id) WHERE state = 'pending';
CREATE TABLE conversation (
    id uuid PRIMARY KEY, phone_number_id text NOT NULL, contact text NOT NULL,
    status text NOT NULL DEFAULT 'ACTIVE', epoch int NOT NULL DEFAULT 0,
    inbound_seq int NOT NULL DEFAULT 0, handled_seq int NOT NULL DEFAULT 0, due_at timestamptz,
    first_due_at timestamptz, lease_token bigint NOT NULL DEFAULT 0, lease_until timestamptz,
    attempts int NOT NULL DEFAULT 0, last_inbound_at timestamptz,
    UNIQUE (phone_number_id, contact)
);
CREATE INDEX ON conversation (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE message (
    id uuid PRIMARY KEY, conversation_id uuid NOT NULL REFERENCES conversation,
    author text NOT NULL, wamid text UNIQUE, seq int, text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON message (conversation_id, created_at);
CREATE TABLE turn (
    id uuid PRIMARY KEY, conversation_id uuid NOT NULL REFERENCES conversation,
    from_seq int NOT NULL, to_seq int NOT NULL, outcome text NOT NULL,
    UNIQUE (conversation_id, from_seq)
);
CREATE TABLE outbound (
    id uuid PRIMARY KEY, conversation_id uuid NOT NULL REFERENCES conversation,
    content jsonb NOT NULL, epoch int NOT NULL, state text NOT NULL DEFAULT 'pending',
    attempt int NOT NULL DEFAULT 0, due_at timestamptz NOT NULL DEFAULT now(),
    sending_since timestamptz, wamid text, delivery text, created_at timestamptz DEFAULT now()
);
CREATE INDEX ON outbound (due_at) WHERE state IN ('pending', 'sending', 'unknown');
CREATE TABLE usage_entry (
    id uuid PRIMARY KEY, conversation_id uuid NOT NULL, model text NOT NULL,
    input_tokens int NOT NULL, output_tokens int NOT NULL, amount_usd numeric
);
CREATE TABLE feed_counter (one bool PRIMARY KEY DEFAULT true, n bigint NOT NULL DEFAULT 0);
INSERT INTO feed_counter DEFAULT VALUES;
CREATE TABLE feed_event (seq bigint PRIMARY KEY, kind text NOT NULL, payload jsonb NOT NULL);
"""

_ACCEPT = "INSERT INTO webhook_event (body) VALUES ($1)"
_TAKE = """
UPDATE webhook_event SET state = 'done', attempts = attempts + 1 WHERE id IN (
    SELECT id FROM webhook_event WHERE state = 'pending' ORDER BY id LIMIT 100
    FOR UPDATE SKIP LOCKED) RETURNING id, body
"""
_OPEN = """
INSERT INTO conversation (id, phone_number_id, contact) VALUES ($1, $2, $3)
ON CONFLICT (phone_number_id, contact) DO UPDATE SET contact = EXCLUDED.contact
RETURNING id, inbound_seq
"""
_KEEP = """
INSERT INTO message (id, conversation_id, author, wamid, seq, text)
VALUES ($1, $2, 'contact', $3, $4, $5) ON CONFLICT (wamid) DO NOTHING RETURNING id
"""
_MAKE_DUE = """
UPDATE conversation SET inbound_seq = inbound_seq + 1, last_inbound_at = now(),
    first_due_at = coalesce(first_due_at, now()),
    due_at = least(coalesce(first_due_at, now()) + interval '5 s', now() + make_interval(secs => $2))
WHERE id = $1
"""
_STATUS = """
UPDATE outbound SET state = 'sent', wamid = coalesce(wamid, $2), delivery = $3 WHERE id = $1
    AND coalesce(array_position('{sent,delivered,read}'::text[], delivery), 0)
        < array_position('{sent,delivered,read}'::text[], $3) RETURNING conversation_id
"""
_FEED = """
WITH counter AS (UPDATE feed_counter SET n = n + cardinality($1::text[]) RETURNING n)
INSERT INTO feed_event (seq, kind, payload)
SELECT counter.n - cardinality($1::text[]) + place, kind, payload FROM counter,
    unnest($1::text[], $2::jsonb[]) WITH ORDINALITY AS event (kind, payload, place)
"""
_CLAIM = """
UPDATE conversation SET lease_token = lease_token + 1, lease_until = now() + interval '90 s',
    attempts = attempts + 1
WHERE id = $1 AND status = 'ACTIVE' AND inbound_seq > handled_seq AND due_at <= now()
    AND (lease_until IS NULL OR lease_until < now())
RETURNING phone_number_id, contact, epoch, lease_token, inbound_seq, handled_seq
"""
_THREAD = """
SELECT author, text, wamid FROM (SELECT * FROM message WHERE conversation_id = $1
    ORDER BY created_at DESC LIMIT 21) recent ORDER BY created_at
"""
_LOCK = "SELECT epoch, lease_token, status FROM conversation WHERE id = $1 FOR UPDATE"
_TURN = "INSERT INTO turn VALUES ($1, $2, $3, $4, 'replied')"
_ANSWER = "INSERT INTO message (id, conversation_id, author, text) VALUES ($1, $2, 'agent', $3)"
_QUEUE = "INSERT INTO outbound (id, conversation_id, content, epoch) VALUES ($1, $2, $3, $4)"
_USED = "INSERT INTO usage_entry VALUES ($1, $2, $3, $4, $5, $6)"
_HANDLED = """
UPDATE conversation SET handled_seq = $2, attempts = 0, lease_until = NULL, first_due_at = NULL,
    due_at = CASE WHEN inbound_seq > $2 THEN now() END WHERE id = $1
"""
_MARK = """
UPDATE outbound o SET state = 'sending', attempt = attempt + 1, sending_since = now(),
    due_at = now() + interval '30 s'
FROM (SELECT id, epoch, status, last_inbound_at FROM conversation WHERE id = $2 FOR SHARE) k
WHERE o.id = $1 AND o.state = 'pending' AND o.epoch = k.epoch AND k.status = 'ACTIVE'
    AND k.last_inbound_at > now() - interval '24 h' RETURNING o.attempt
"""
_FINISH = """
UPDATE outbound SET state = 'sent', wamid = $3
WHERE id = $1 AND attempt = $2 AND state = 'sending'
"""


class Pipeline:
    """All of it. What runs at once is bounded only by the pool."""

    def __init__(self, variables: MutableMapping[str, str]) -> None:
        self._dsn = variables["FLOOR_DSN"]
        self._secret = variables["FLOOR_SECRET"].encode()
        self._connections = int(variables["FLOOR_CONNECTIONS"])
        self._debounce_seconds = float(variables["FLOOR_DEBOUNCE_SECONDS"])
        self._graph = variables["FLOOR_GRAPH"]
        self._headers = {
            "Authorization": f"Bearer {variables['FLOOR_TOKEN']}",
            "Content-Type": "application/json",
        }
        self._calls: dict[str, Any] = orjson.loads(variables["FLOOR_CALLS"])
        self._api = {"api_base": variables["FLOOR_MODEL"], "api_key": "floor"}
        self._rung = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._pool: asyncpg.Pool[asyncpg.Record]
        self._http: aiohttp.ClientSession
        self._complete: Callable[..., Awaitable[Any]]

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body, more = b"", True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        given = next((v for k, v in scope["headers"] if k == b"x-hub-signature-256"), b"")
        expected = hmac.new(self._secret, body, hashlib.sha256).hexdigest().encode()
        status = 401
        if hmac.compare_digest(given, b"sha256=" + expected):
            await self._pool.execute(_ACCEPT, body)
            self._rung.set()
            status = 200
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _live(
        self,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await receive()
        self._complete = load_litellm()
        self._pool = await asyncpg.create_pool(
            self._dsn, min_size=self._connections, max_size=self._connections, reset=keep_as_it_is
        )
        self._http = aiohttp.ClientSession()
        receiving = asyncio.create_task(self._receive_for_ever())
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        receiving.cancel()
        await self._http.close()
        await self._pool.close()
        await close_litellm()
        await send({"type": "lifespan.shutdown.complete"})

    async def _receive_for_ever(self) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            while await self._receive():
                pass

    async def _receive(self) -> bool:
        due: list[UUID] = []
        kinds: list[str] = []
        payloads: list[str] = []
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_TAKE)
            for row in sorted(rows, key=lambda row: int(row["id"])):
                value = orjson.loads(row["body"])["entry"][0]["changes"][0]["value"]
                for message in value.get("messages", ()):
                    number = value["metadata"]["phone_number_id"]
                    thread = await connection.fetchrow(_OPEN, uuid4(), number, message["from"])
                    assert thread is not None
                    text, seq = message["text"]["body"], thread["inbound_seq"] + 1
                    if not await connection.fetchval(
                        _KEEP, uuid4(), thread["id"], message["id"], seq, text
                    ):
                        continue
                    await connection.execute(_MAKE_DUE, thread["id"], self._debounce_seconds)
                    due.append(thread["id"])
                    kinds.append("message.received")
                    payloads.append(_json(conversation_id=thread["id"], text=text))
                for status in value.get("statuses", ()):
                    sent = UUID(status["biz_opaque_callback_data"].partition(".")[0])
                    moved = await connection.fetchval(_STATUS, sent, status["id"], status["status"])
                    if moved:
                        kinds.append(f"message.{status['status']}")
                        payloads.append(_json(conversation_id=moved, message_id=sent))
            if kinds:
                await connection.execute(_FEED, kinds, payloads)
        for conversation_id in due:
            self._later(conversation_id)
        return bool(rows)

    def _later(self, conversation_id: UUID) -> None:
        loop = asyncio.get_running_loop()
        # The row must be due by the database's clock as well.
        loop.call_later(
            self._debounce_seconds + 0.005, lambda: self._run(self._answer(conversation_id))
        )

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, conversation_id: UUID) -> None:
        claim = await self._pool.fetchrow(_CLAIM, conversation_id)
        if claim is None:
            return
        thread = await self._pool.fetch(_THREAD, conversation_id)
        burst = [row for row in thread if row["author"] == "contact"][
            claim["handled_seq"] - claim["inbound_seq"] :
        ]
        asked = "\n".join(row["text"] for row in burst)
        triage = await self._ask(
            "triage", [{"role": "user", "content": f"<messages>\n{asked}\n</messages>"}]
        )
        orjson.loads(triage.choices[0].message.content)
        self._run(
            self._post(
                claim["phone_number_id"],
                messaging_product="whatsapp",
                status="read",
                message_id=burst[-1]["wamid"],
                typing_indicator={"type": "text"},
            )
        )
        roles = {"contact": "user", "agent": "assistant"}
        chat = [{"role": roles[row["author"]], "content": row["text"]} for row in thread]
        reply = await self._ask("reply", chat)
        text = orjson.loads(reply.choices[0].message.content)["text"]
        sent = uuid4()
        content = {
            "messaging_product": "whatsapp",
            "to": claim["contact"],
            "type": "text",
            "text": {"body": text},
        }
        if await self._decide(conversation_id, claim, sent, content, (triage, reply)):
            await self._deliver(conversation_id, claim["phone_number_id"], sent, content)

    async def _ask(self, kind: str, messages: list[dict[str, str]]) -> Any:
        call = self._calls[kind]
        return await self._complete(
            model=call["model"],
            messages=[{"role": "system", "content": call["system"]}, *messages],
            **call["parameters"],
            **self._api,
        )

    async def _decide(
        self,
        conversation_id: UUID,
        claim: asyncpg.Record,
        sent: UUID,
        content: dict[str, Any],
        answers: tuple[Any, ...],
    ) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            now = await connection.fetchrow(_LOCK, conversation_id)
            assert now is not None
            ours = now["epoch"], now["lease_token"]
            if ours != (claim["epoch"], claim["lease_token"]) or now["status"] != "ACTIVE":
                return False
            turn = (uuid4(), conversation_id, claim["handled_seq"] + 1, claim["inbound_seq"])
            await connection.execute(_TURN, *turn)
            text = content["text"]["body"]
            await connection.execute(_ANSWER, sent, conversation_id, text)
            await connection.execute(
                _QUEUE, sent, conversation_id, orjson.dumps(content).decode(), claim["epoch"]
            )
            used = [
                (uuid4(), conversation_id, a.model, u.prompt_tokens, u.completion_tokens, _PRICE)
                for a in answers
                for u in (a.usage,)
            ]
            await connection.executemany(_USED, used)
            await connection.execute(_HANDLED, conversation_id, claim["inbound_seq"])
            kinds = ["message.sent", "turn.decided"]
            told = _json(conversation_id=conversation_id, message_id=sent, text=text)
            await connection.execute(
                _FEED, kinds, [told, _json(conversation_id=conversation_id, turn_id=turn[0])]
            )
        return True

    async def _deliver(
        self, conversation_id: UUID, number: str, sent: UUID, content: dict[str, Any]
    ) -> None:
        attempt = await self._pool.fetchval(_MARK, sent, conversation_id)
        if attempt is None:
            return
        answer = await self._post(number, **content, biz_opaque_callback_data=f"{sent}.{attempt}")
        await self._pool.execute(_FINISH, sent, attempt, answer["messages"][0]["id"])

    async def _post(self, number: str, **body: Any) -> Any:
        async with self._http.post(
            f"{self._graph}/{number}/messages", data=orjson.dumps(body), headers=self._headers
        ) as response:
            return orjson.loads(await response.read())


_PRICE = Decimal("0.0001")


def _json(**values: Any) -> str:
    return orjson.dumps(values, default=str).decode()


def main() -> None:
    """Serve on the port in the environment until told to stop."""
    uvicorn.run(
        Pipeline(os.environ),
        host="127.0.0.1",
        port=int(os.environ["FLOOR_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        timeout_keep_alive=75,  # As Frontdesk's: who is not at turn loses no connection.
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main()
