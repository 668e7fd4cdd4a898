"""What Meta knows of accounts: signups and their codes, tokens, subscriptions, PINs, refusals to come."""

from collections import defaultdict, deque
from dataclasses import dataclass
from uuid import uuid4

from frontdesk.simulator.graph import GraphError
from frontdesk.simulator.threads import Channel
from frontdesk.simulator.world import Json, World

CODE_SECONDS = 30.0  # Cloud API: embedded signup.
TOKEN_DAYS = 60.0
SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")
APP_ID = "400000000000001"


@dataclass
class Grant:
    """What a token is good for."""

    waba_ids: tuple[str, ...]
    scopes: tuple[str, ...]
    expires_at: float
    """Unix seconds; 0 is never."""
    app_id: str


@dataclass
class Signup:
    """A signup somebody went through in Meta's dialog, and the code it gave."""

    grant: Grant
    code_ends_at: float
    used: bool = False


class Accounts:
    """Signups, tokens and subscriptions. A token nobody granted here is an own one: good for all."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.reset()

    def reset(self) -> None:
        """Forget all of it."""
        self.grants: dict[str, Grant] = {}
        self.subscribed: set[str] = set()
        self._signups: dict[str, Signup] = {}
        self._refusals: dict[str, deque[GraphError]] = defaultdict(deque)

    def sign_up(
        self,
        *waba_ids: str,
        token_days: float = TOKEN_DAYS,
        scopes: tuple[str, ...] = SCOPES,
        app_id: str | None = None,
    ) -> str:
        """Go through the dialog for these accounts; the code for the page.

        Args:
            token_days: how long the token lasts from now; 0 is for ever.
            app_id: of the app it is for; by default whichever asks.
        """
        now = self._world.now()
        code = "AQB" + uuid4().hex
        ends = now + token_days * 86400 if token_days else 0
        grant = Grant(waba_ids, scopes, ends, app_id or "")
        self._signups[code] = Signup(grant, now + CODE_SECONDS)
        return code

    def refuse(self, edge: str, code: int, details: str = "", times: int = 1) -> None:
        """Let the next calls of an edge be refused: `register`, `debug_token`, `phone_number`, …"""
        self._refusals[edge].extend(GraphError(code, details) for _ in range(times))

    def meet(self, edge: str) -> None:
        """Raise the refusal that was laid out for this call, if there is one."""
        if self._refusals[edge]:
            raise self._refusals[edge].popleft()

    def exchange(self, client_id: str, client_secret: str, code: str) -> Json:
        """The token for a code: once, and within 30 seconds."""
        if client_secret != self._world.settings.app_secret:
            raise GraphError(1, "Error validating client secret.")
        signup = self._signups.get(code)
        if signup is None:
            raise GraphError(100, "Invalid verification code format.")
        if signup.used:
            raise GraphError(100, "This authorization code has been used.")
        if self._world.now() > signup.code_ends_at:
            raise GraphError(100, "This authorization code has expired.")
        signup.used = True
        signup.grant.app_id = signup.grant.app_id or client_id
        token = "EAA" + uuid4().hex
        self.grants[token] = signup.grant
        return {"access_token": token, "token_type": "bearer"}

    def inspect(self, token: str, app_token: str, *, expired: bool) -> Json:
        """What `debug_token` says, to an app that vouches for itself."""
        app_id, _, secret = app_token.partition("|")
        if secret != self._world.settings.app_secret:
            raise GraphError(190, "Invalid OAuth access token signature.")
        grant = self.grants.get(token) or Grant((), SCOPES, 0, app_id)
        if grant.app_id != app_id:
            raise GraphError(100, "The App_id in the input_token did not match the Viewing App")
        valid = not expired and not self.has_ended(token)
        targets = {"target_ids": list(grant.waba_ids)} if grant.waba_ids else {}
        return {
            "data": {
                "app_id": grant.app_id,
                "type": "SYSTEM_USER",
                "is_valid": valid,
                "expires_at": int(grant.expires_at),
                "data_access_expires_at": 0,
                "scopes": list(grant.scopes),
                "granular_scopes": [{"scope": scope, **targets} for scope in grant.scopes],
            }
        }

    def has_ended(self, token: str) -> bool:
        """Whether its time is over."""
        grant = self.grants.get(token)
        return grant is not None and 0 < grant.expires_at <= self._world.now()

    def check_reach(self, token: str, waba_id: str | None) -> None:
        """Raise GraphError 200 unless a token was granted for this account."""
        grant = self.grants.get(token)
        if grant is not None and waba_id is not None and waba_id not in grant.waba_ids:
            raise GraphError(200, "You do not have the necessary permissions for this account.")

    def check_pin(self, channel: Channel, pin: object) -> str:
        """The PIN, if a number may be registered with it; raises GraphError otherwise."""
        if channel.is_on_biz_app:
            raise GraphError(100, "The number is used in the WhatsApp Business app.")
        if not (isinstance(pin, str) and len(pin) == 6 and pin.isdigit()):
            raise GraphError(100, "pin must have six digits.")
        if channel.pin not in (None, pin):
            raise GraphError(133005)
        return pin
