"""The Graph API over HTTP: sends, read marks, number health, media; and the accounts' routes."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from frontdesk.simulator.account_routes import AccountRoutes, check_version, number_view
from frontdesk.simulator.delivery import Delivery
from frontdesk.simulator.faults import SendFault, SendFaultKind
from frontdesk.simulator.graph import GraphError
from frontdesk.simulator.threads import Channel
from frontdesk.simulator.whatsapp import WhatsApp
from frontdesk.simulator.wire import CutConnection, JSONAnswer, hang, read_json
from frontdesk.simulator.world import World

_HANGS_AFTER = (SendFaultKind.HANG_AFTER, SendFaultKind.HANG_AND_LOSE_STATUS)


class GraphRoutes:
    """Handlers of everything under `/{version}/`."""

    def __init__(self, world: World, whatsapp: WhatsApp, delivery: Delivery) -> None:
        self._world = world
        self._whatsapp = whatsapp
        self._delivery = delivery
        self._accounts = AccountRoutes(whatsapp)

    def routes(self) -> list[Route]:
        """Ordered from the special to the general."""
        return [
            Route("/media/{ticket}", self.download, methods=["GET"]),
            Route("/{version}/{node}/messages", self.messages, methods=["POST"]),
            Route("/{version}/{node}/media", self.upload, methods=["POST"]),
            Route("/{version}/{node}/message_templates", self.templates, methods=["GET"]),
            *self._accounts.routes(),
            Route("/{version}/{node}", self.node, methods=["GET", "DELETE"]),
        ]

    def _enter(self, request: Request, channel: Channel | None = None) -> None:
        check_version(request)
        self._whatsapp.check_token(channel, request.headers.get("authorization", ""))

    async def messages(self, request: Request) -> Response:
        """Send a message, or mark one as read."""
        raw = await request.body()
        channel = self._whatsapp.channel(request.path_params["node"])
        self._enter(request, channel)
        body = read_json(raw)
        if isinstance(body, dict) and body.get("status") == "read":
            typing = body.get("typing_indicator")
            if not isinstance(body.get("message_id"), str):
                raise GraphError(131008, "message_id is required.")
            self._whatsapp.mark_read(channel, body["message_id"], typing=typing is not None)
            return JSONAnswer({"success": True})
        to = str((body.get("to") or body.get("recipient")) if isinstance(body, dict) else "")
        fault = self._whatsapp.faults.draw(channel.phone_number_id, to.lstrip("+"))
        await self._world.linger("send_latency_seconds")
        if fault and (answer := await self._fail_before(request, fault)):
            return answer
        if error := self._whatsapp.check_send(channel, body):
            raise error
        accepted = self._whatsapp.accept(channel, body)
        await self._delivery.begin(accepted, fault)
        if fault and (answer := await self._fail_after(request, fault)):
            return answer
        return JSONAnswer(self._whatsapp.response(accepted))

    async def _fail_before(self, request: Request, fault: SendFault) -> Response | None:
        if fault.kind is SendFaultKind.ERROR:
            raise GraphError(fault.code, fault.details, fault.http_status)
        if fault.kind is SendFaultKind.SERVER_ERROR:
            return self._server_error(fault)
        if fault.kind is SendFaultKind.HANG_BEFORE:
            await hang(self._world, request, fault.seconds)
            return CutConnection()
        return CutConnection() if fault.kind is SendFaultKind.DROP_BEFORE else None

    async def _fail_after(self, request: Request, fault: SendFault) -> Response | None:
        if fault.kind is SendFaultKind.ACCEPT_THEN_ERROR:
            return self._server_error(fault)
        if fault.kind in _HANGS_AFTER:
            await hang(self._world, request, fault.seconds)
            return CutConnection()
        return CutConnection() if fault.kind is SendFaultKind.DROP_AFTER else None

    def _server_error(self, fault: SendFault) -> Response:
        status = fault.http_status or 500
        if fault.graph_body:
            return JSONAnswer(GraphError(fault.code, fault.details).body(), status)
        page = f"<html><body><h1>{status}</h1>Sorry, something went wrong.</body></html>"
        return Response(page, status, media_type="text/html")

    async def upload(self, request: Request) -> Response:
        """Keep a file to send."""
        channel = self._whatsapp.channel(request.path_params["node"])
        self._enter(request, channel)
        async with request.form() as form:
            file = form.get("file")
            if file is None or isinstance(file, str):
                raise GraphError(100, "The parameter file is required.")
            content = await file.read()
            kind = str(form.get("type") or file.content_type or "application/octet-stream")
            media = self._whatsapp.media.add(content, kind, file.filename)
        return JSONAnswer({"id": media.id})

    async def download(self, request: Request) -> Response:
        """The bytes of a file; only with a token, only for five minutes."""
        self._enter(request)
        media = self._whatsapp.media.open(request.path_params["ticket"])
        return Response(media.content, media_type=media.mime_type)

    async def node(self, request: Request) -> Response:
        """A media file's address, or the health of a business number."""
        node = request.path_params["node"]
        media = self._whatsapp.media.find(node)
        if media is not None:
            self._enter(request)
            if request.method == "DELETE":
                return JSONAnswer({"success": self._whatsapp.media.remove(node)})
            base_url = str(request.base_url).rstrip("/")
            return JSONAnswer(self._whatsapp.media.describe(media, base_url))
        if "phone_number_id" in request.query_params:  # That is how files are asked for.
            self._enter(request)
            raise GraphError(100, f"Object with ID '{node}' does not exist.")
        channel = self._whatsapp.channel(node)
        self._enter(request, channel)
        self._whatsapp.accounts.meet("phone_number")
        return JSONAnswer(number_view(channel, request))

    async def templates(self, request: Request) -> Response:
        """The message templates of a WhatsApp Business account."""
        self._enter(request)
        found = {
            (template.name, template.language): template
            for channel in self._whatsapp.channels.values()
            if channel.waba_id == request.path_params["node"]
            for template in channel.templates
        }
        data = [
            {
                "name": template.name,
                "language": template.language,
                "category": template.category,
                "status": template.status,
                "components": template.components,
                "id": str(1000 + index),
            }
            for index, template in enumerate(found.values())
        ]
        return JSONAnswer({"data": data, "paging": {}})
