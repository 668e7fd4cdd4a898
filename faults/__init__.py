"""The fault suite: real processes and servers, made to fail at every point of the failure matrix.

    make faults                                     every scenario, and a table
    make faults ARGS="--only redis-frozen"          one of them
    make faults ARGS=--list                         their names

How a scenario runs (`__main__.py`, `site.py`, `judge.py`):

1. The `Site` has a Postgres and a Valkey of its own, the simulated WhatsApp and model in this
   process, a web process and two workers, and fresh tenants. What dies is started again.
2. The scenario's `play(site)` makes contacts write (bursts, some webhooks twice, all in any order)
   and breaks something meanwhile.
3. The site drains: it waits until nothing is left to do. Where nothing happens any more but a
   lease or a deadline has to run out, it moves the database's times instead of waiting, and
   counts those seconds as if it had waited.
4. The judge reads what WhatsApp really took (every answer names the messages it answers), and the
   invariants of the database.

To add a scenario, write `async def play(site: Site) -> None` in the file of its kind and list it:

    Scenario(
        name="whatsapp-throttles",           # what fails, in words; the row's name in the docs
        point="WhatsApp throttles",          # the row of the matrix: the point or the fault,
        left="pending",                      # what is left,
        follows="tried again after 1, 4, 16, 64 … s",   # what follows,
        outcome="once, late",                # and what is promised.
        play=throttled,
    )

    async def throttled(site: Site) -> None:
        site.simulator.whatsapp.faults.share(SendFault(SendFaultKind.ERROR, code=130429), 0.3)
        await site.chat(contacts=8, bursts=2)

and put the list into `SCENARIOS` in `faults/scenarios.py`. Every message must end answered once;
`Scenario` has a field for each way in which one may promise something else. `raise Broken("…")`
for a promise the judge can't see. `fast=True` also runs it in `make test`, where there is time for a
few of ten seconds each; `alone=True` keeps the second site quiet meanwhile. Then run
`make faults ARGS=--write-docs`, which writes the table of docs/reliability.md.
"""
