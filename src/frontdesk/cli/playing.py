"""Commands to try Frontdesk: the demo, the phone in the terminal, the simulated outside world."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from frontdesk.cli.telling import EXIT_CODES, FAILED, AsJson, fail, print_json

simulate = typer.Typer(
    help="Be a contact of the running demo: a phone in the terminal.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[
    Path,
    typer.Option(
        help="Where the demo keeps everything.",
        envvar="FRONTDESK_DEMO_FOLDER",
        file_okay=False,
        show_default=True,
    ),
]
DEMO_FOLDER = Path(".frontdesk")
FAULT = "KIND[=SHARE][,NAME=VALUE…]"


def demo(
    folder: Folder = DEMO_FOLDER,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of the web process; by default 8000, or a free one if that is taken.",
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget what an earlier demo left, and begin afresh.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Start all on free ports in a temporary folder, play a scripted day, see from "
            "outside that every step happened, and stop.",
        ),
    ] = False,
    day: Annotated[
        bool,
        typer.Option(
            "--day",
            help="With --check: a day at the desk instead, worked by three human agents.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run everything here in one command, with a shop, its team and thirty conversations.

    Postgres and Valkey come along, unless DATABASE__URL (with DATABASE__ADMIN_URL) or REDIS__URL
    name servers of your own. WhatsApp is simulated. So is the model, unless GROQ_API_KEY or
    OPENAI_API_KEY is set. Only the environment counts here, never the file .env, and everything
    listens on this machine only. Data stays in the folder; Ctrl-C stops all of it.

    --check always uses servers of its own and the simulated model, costs nothing and ends by
    itself in less than a minute. With --day it takes about two, of which one is waited for the
    conversations of somebody who is away. --json prints the timeline as JSON.

    \b
    Examples:
      frontdesk demo
      frontdesk demo --reset --port 8080
      frontdesk demo --check --json
      frontdesk demo --check --day
    """
    from frontdesk.demo import DESK_DAY, SHOP_DAY, run_check, run_demo

    if check:
        if reset or port is not None:
            raise typer.BadParameter("--check chooses folder and port itself.")
        raise typer.Exit(run_check(DESK_DAY if day else SHOP_DAY, as_json=as_json))
    if as_json or day:
        raise typer.BadParameter("--json and --day go with --check.")
    run_demo(folder, port=port, reset=reset)


Number = Annotated[str, typer.Option(help="The contact's phone number, digits.")]
Name = Annotated[str | None, typer.Option(help="The contact's name on WhatsApp.")]
Url = Annotated[
    str | None,
    typer.Option(help="Address of a simulator; by default the one of the demo in --folder."),
]
Channel = Annotated[
    str | None, typer.Option(help="phone_number_id to write to; by default the demo's.")
]


@simulate.command("chat", epilog=EXIT_CODES)
def simulate_chat(
    number: Number = "15550001111",
    name: Name = None,
    url: Url = None,
    channel: Channel = None,
    folder: Folder = DEMO_FOLDER,
) -> None:
    """A phone in the terminal: type as a contact; see replies, ticks and who is typing.

    Type /help in the chat for pictures, reactions, buttons and more; Ctrl-D ends it. To script a
    single message, use frontdesk simulate send.

    \b
    Examples:
      frontdesk simulate chat
      frontdesk simulate chat --number 34600111222 --name Lucía
    """
    import asyncio

    from frontdesk.demo import find_phone
    from frontdesk.simulator import chat

    phone = find_phone(folder, url, channel)
    asyncio.run(chat(phone.url, number=number, channel=phone.channel, name=name))


@simulate.command("send", epilog=EXIT_CODES)
def simulate_send(
    text: Annotated[str, typer.Argument(help="What the contact writes.")],
    number: Number = "15550001111",
    name: Name = None,
    url: Url = None,
    channel: Channel = None,
    folder: Folder = DEMO_FOLDER,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for an answer; 0 does not wait.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Send one message as a contact, and print what comes back.

    Exits with 1 when no answer comes in time.

    \b
    Examples:
      frontdesk simulate send "When do you open on Saturday?"
      frontdesk simulate send "¿Hacen envíos a Sevilla?" --number 34600111222 --json
    """
    import asyncio
    import io

    from frontdesk.demo import find_phone
    from frontdesk.simulator import send

    phone = find_phone(folder, url, channel)
    out = io.StringIO() if as_json else sys.stdout
    sent = send(
        phone.url,
        text,
        number=number,
        channel=phone.channel,
        name=name,
        wait_seconds=wait,
        out=out,
    )
    answers = asyncio.run(sent)
    if as_json:
        print_json({"number": number, "text": text, "answers": answers})
    if wait and not answers:
        fail(f"No answer came within {wait:g} seconds.", FAILED)


@simulate.command("signup", epilog=EXIT_CODES)
def simulate_signup(
    phone_number_id: Annotated[
        str | None, typer.Option(help="A known number; by default a new one.")
    ] = None,
    token_days: Annotated[
        float, typer.Option(min=0, help="How long the token will last; 0 is for ever.")
    ] = 60,
    url: Url = None,
    folder: Folder = DEMO_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Go through Embedded Signup as a business, and print the code that its page would be given.

    The code is good for 30 seconds, once: POST it to /api/v1/channels/signup, or pipe it.

    \b
    Examples:
      frontdesk simulate signup
      frontdesk simulate signup --json | jq -r .code | \\
          frontdesk channels connect --tenant green-leaf --signup
    """
    import httpx

    from frontdesk.demo import find_phone

    body: dict[str, object] = {"token_days": token_days}
    if phone_number_id:
        body |= {"phone_number_id": phone_number_id}
    at = find_phone(folder, url, None).url
    answer = httpx.post(f"{at}/_sim/signups", json=body, trust_env=False)
    if answer.is_error:
        fail(f"The simulator answered {answer.status_code}: {answer.text[:300]}", FAILED)
    signup = answer.json()
    if as_json:
        print_json(signup)
        return
    typer.echo(signup["code"])
    typer.echo(
        f"It is for the number {signup['display_phone_number']} (phone_number_id "
        f"{signup['phone_number_id']}), and good for 30 seconds.",
        err=True,
    )


def simulator(  # Options; typer passes them by name.
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 9000,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            help="Where webhooks go, http://HOST:8000/webhooks/whatsapp; until it is known they "
            "wait."
        ),
    ] = None,
    app_secret: Annotated[
        str | None,
        typer.Option(
            help="Signs the webhooks; of several, comma-separated, the first. Default: simulated",
            envvar="WHATSAPP__APP_SECRETS",
        ),
    ] = None,
    verify_token: Annotated[
        str | None,
        typer.Option(
            help="Presented in the handshake. Default: simulated", envvar="WHATSAPP__VERIFY_TOKEN"
        ),
    ] = None,
    phone_number_id: Annotated[
        str | None, typer.Option(help="Register a business number; others register themselves.")
    ] = None,
    waba_id: Annotated[str | None, typer.Option(help="Its WhatsApp Business Account.")] = None,
    display_number: Annotated[str | None, typer.Option(help="Its number, digits.")] = None,
    business_name: Annotated[str | None, typer.Option(help="Its verified name.")] = None,
    latency: Annotated[
        str, typer.Option(help="Seconds a model call takes: 0.8, or a span as in 0.4-1.5.")
    ] = "0",
    send_latency: Annotated[str, typer.Option(help="Seconds a send takes, likewise.")] = "0",
    status_delay: Annotated[
        str, typer.Option(help="Seconds between one tick and the next, likewise.")
    ] = "0.02-0.06",
    doubled: Annotated[float, typer.Option(min=0, max=1, help="Share of ticks sent twice.")] = 0,
    reversed_ticks: Annotated[
        float, typer.Option("--reversed", min=0, max=1, help="Share of sends with ticks backwards.")
    ] = 0,
    dropped: Annotated[
        float, typer.Option(min=0, max=1, help="Share of sends that get no ticks.")
    ] = 0,
    early: Annotated[
        float, typer.Option(min=0, max=1, help="Share of sends ticked before they are answered.")
    ] = 0,
    send_fault: Annotated[
        list[str] | None,
        typer.Option(metavar=FAULT, help="Let a share of sends go wrong; repeatable."),
    ] = None,
    model_fault: Annotated[
        list[str] | None,
        typer.Option(metavar=FAULT, help="Let a share of model calls go wrong; repeatable."),
    ] = None,
    pair_limit: Annotated[
        bool, typer.Option("--pair-limit", help="Enforce Meta's limit per contact (131056).")
    ] = False,
    throughput: Annotated[
        int | None, typer.Option(min=1, help="Sends a second per number (130429); else no limit.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every draw of luck above.")] = 1,
) -> None:
    """Serve a WhatsApp Cloud API with phones, and a scripted model, for demo and tests.

    The model answers from the facts in its prompt and says in every answer's reasoning that it is
    scripted. It speaks at /openai/v1 and /groq/openai/v1; GET /_sim lists what can be done to this
    world while it runs. Kinds of faults: error, failed, server_error, hang_after, drop_after,
    lose_status, … for sends; status, hang, invalid_json, wrong_schema, drop, … for the model;
    GET /_sim/faults lists them all. What else a fault has follows a comma: code, http_status,
    seconds, retry_after_seconds, only; and for_seconds, after which it is over.

    \b
    Examples:
      frontdesk simulator --webhook-url http://127.0.0.1:8000/webhooks/whatsapp
      frontdesk simulator --latency 0.5-2 --doubled 0.1 --model-fault status=0.05
      frontdesk simulator --send-fault error=0.2,code=131056 --send-fault late_status=0.1,seconds=90
      frontdesk simulator --model-fault status=1,http_status=503,for_seconds=600
    """
    import asyncio
    import logging

    from frontdesk.core.connections import allow_many_connections
    from frontdesk.simulator import (
        ModelFault,
        SendFault,
        Simulator,
        SimulatorSettings,
        plan_fault,
        read_wish,
        serve,
    )

    def prepare(world: Simulator) -> None:
        try:
            for wish in send_fault or []:
                plan_fault(world.whatsapp.faults, SendFault, read_wish(wish))
            for wish in model_fault or []:
                plan_fault(world.model.faults, ModelFault, read_wish(wish))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        if phone_number_id is not None:
            known = {
                "waba_id": waba_id,
                "display_phone_number": display_number,
                "verified_name": business_name,
            }
            world.register_channel(phone_number_id, **{k: v for k, v in known.items() if v})

    # Where it listens, which it knows only once it does.
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    logging.getLogger("frontdesk.simulator").setLevel(logging.INFO)
    settings = SimulatorSettings(
        app_secret=(app_secret or "simulated").split(",")[0].strip(),
        verify_token=verify_token or "simulated",
        webhook_url=webhook_url,
        host=host,
        port=port,
        seed=seed,
        model_latency_seconds=_span("--latency", latency),
        send_latency_seconds=_span("--send-latency", send_latency),
        status_delay_seconds=_span("--status-delay", status_delay),
        status_doubled_share=doubled,
        status_reversed_share=reversed_ticks,
        status_dropped_share=dropped,
        status_early_share=early,
        pair_limit=pair_limit,
        throughput_limit=throughput,
    )
    allow_many_connections()
    asyncio.run(serve(settings, prepare=prepare))


def _span(option: str, text: str) -> tuple[float, float]:
    """The two ends of `0.4-1.5`, or of `0.8` twice."""
    low, dash, high = text.partition("-")
    try:
        ends = float(low), float(high if dash else low)
    except ValueError:
        raise typer.BadParameter(f"{option} takes seconds, as in 0.8 or 0.4-1.5.") from None
    return ends
