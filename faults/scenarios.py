"""All scenarios, in the order of the table."""

from faults import (
    bridges,
    crashes,
    deployments,
    feed,
    load,
    models,
    residual,
    stores,
    takeovers,
    whatsapp,
)

SCENARIOS = (
    *crashes.SCENARIOS,
    *deployments.SCENARIOS,
    *whatsapp.SCENARIOS,
    *residual.SCENARIOS,
    *models.SCENARIOS,
    *takeovers.SCENARIOS,
    *bridges.SCENARIOS,
    *stores.SCENARIOS,
    *feed.SCENARIOS,
    *load.SCENARIOS,
)
