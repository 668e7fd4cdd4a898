"""The Graph API's account calls: signup codes and tokens, numbers of an account, registering them."""

from urllib.parse import parse_qs
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from frontdesk.simulator.graph import GraphError
from frontdesk.simulator.threads import Channel
from frontdesk.simulator.whatsapp import WhatsApp
from frontdesk.simulator.wire import JSONAnswer, read_json
from frontdesk.simulator.world import Json

_EDGES = ("register", "deregister", "subscribed_apps", "block_users", "smb_app_data")


def check_version(request: Request) -> None:
    """Raise GraphError 2500 unless the path begins with a version of the API."""
    version = str(request.path_params.get("version", "v1.0"))
    if not (version.startswith("v") and version[1:].replace(".", "", 1).isdigit()):
        raise GraphError(2500, "Unknown path components: /" + version, 400)


class AccountRoutes:
    """Handlers of what is about accounts and not about messages."""

    def __init__(self, whatsapp: WhatsApp) -> None:
        self._whatsapp = whatsapp
        self._accounts = whatsapp.accounts

    def routes(self) -> list[Route]:
        """Ordered from the special to the general."""
        return [
            Route("/{version}/oauth/access_token", self.exchange, methods=["GET", "POST"]),
            Route("/{version}/debug_token", self.inspect, methods=["GET"]),
            Route("/{version}/{node}/phone_numbers", self.phone_numbers, methods=["GET"]),
            Route("/{version}/{node}/{edge}", self.edge, methods=["GET", "POST", "DELETE"]),
        ]

    async def exchange(self, request: Request) -> Response:
        """The token for a signup's code, asked for by query or by form."""
        check_version(request)
        self._accounts.meet("access_token")
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        given = {**request.query_params, **form}
        return JSONAnswer(
            self._accounts.exchange(
                *(given.get(name, "") for name in ("client_id", "client_secret", "code"))
            )
        )

    async def inspect(self, request: Request) -> Response:
        """What a token is good for."""
        check_version(request)
        self._accounts.meet("debug_token")
        token = request.query_params.get("input_token", "")
        app_token = request.headers.get("authorization", "").removeprefix("Bearer ")
        expired = token in self._whatsapp.expired_tokens
        return JSONAnswer(self._accounts.inspect(token, app_token, expired=expired))

    async def phone_numbers(self, request: Request) -> Response:
        """The numbers of a WhatsApp Business account."""
        waba_id = self._enter(request)
        self._accounts.meet("phone_numbers")
        channels = [c for c in self._whatsapp.channels.values() if c.waba_id == waba_id]
        data = [number_view(channel, request) for channel in channels]
        return JSONAnswer({"data": data, "paging": {}})

    async def edge(self, request: Request) -> Response:
        """Subscribing, registering, blocking, and asking whether it is subscribed."""
        node, edge = self._enter(request), request.path_params["edge"]
        if edge not in _EDGES:
            raise GraphError(2500, f"Unknown path components: /{edge}", 400)
        self._accounts.meet(edge)
        if edge == "subscribed_apps" and request.method == "GET":
            there = node in self._accounts.subscribed
            return JSONAnswer({"data": [{"whatsapp_business_api_data": {}}] * there})
        body = read_json(await request.body())
        self._apply(request.method, node, edge, body)
        self._whatsapp.calls.append(
            {"method": request.method, "node": node, "edge": edge, "body": body}
        )
        if edge == "smb_app_data":
            return JSONAnswer({"messaging_product": "whatsapp", "request_id": uuid4().hex})
        return JSONAnswer({"success": True})

    def _apply(self, method: str, node: str, edge: str, body: object) -> None:
        if edge == "subscribed_apps":
            change = self._accounts.subscribed.discard if method == "DELETE" else None
            (change or self._accounts.subscribed.add)(node)
        elif edge == "register":
            given = body.get("pin") if isinstance(body, dict) else None
            pin = self._accounts.check_pin(self._whatsapp.channel(node), given)
            self._whatsapp.register_channel(node, status="CONNECTED", pin=pin)
        elif edge == "deregister":
            if self._whatsapp.channel(node).is_on_biz_app:
                raise GraphError(100, "The number is used in the WhatsApp Business app.")
            self._whatsapp.register_channel(node, status="DISCONNECTED")

    def _enter(self, request: Request) -> str:
        """The node of a call with a token that is good for it: a number or an account."""
        check_version(request)
        node = str(request.path_params["node"])
        channels = self._whatsapp.channels
        channel = channels.get(node) or next(
            (one for one in channels.values() if one.waba_id == node), None
        )
        authorization = request.headers.get("authorization", "")
        self._whatsapp.check_token(channel, authorization, node)
        return node


def number_view(channel: Channel, request: Request) -> Json:
    """What `GET /{phone_number_id}` says of a number (Cloud API: onboarding), or the fields asked for."""
    well = channel.status == "CONNECTED"
    state = "AVAILABLE" if well else "BLOCKED"
    unregistered = {"error_code": 133010, "error_description": "The number is not registered."}
    everything: Json = {
        "display_phone_number": channel.display_phone_number,
        "verified_name": channel.verified_name,
        "name_status": channel.name_status,
        "code_verification_status": "VERIFIED",
        "quality_rating": channel.quality_rating,
        "status": channel.status,
        "platform_type": "CLOUD_API" if well else "NOT_APPLICABLE",
        "is_on_biz_app": channel.is_on_biz_app,
        "throughput": {"level": channel.throughput},
        "health_status": {
            "can_send_message": state,
            "entities": [
                {
                    "entity_type": "PHONE_NUMBER",
                    "id": channel.phone_number_id,
                    "can_send_message": state,
                    **({} if well else {"errors": [unregistered]}),
                },
                {"entity_type": "WABA", "id": channel.waba_id, "can_send_message": "AVAILABLE"},
            ],
        },
        "whatsapp_business_manager_messaging_limit": channel.messaging_limit,
    }
    wanted = [name for name in request.query_params.get("fields", "").split(",") if name]
    shown = {name: everything[name] for name in wanted if name in everything} or everything
    return {**shown, "id": channel.phone_number_id}
