"""All scenarios, in the order of the table."""

from faults import crashes, deployments, feed, load, models, residual, stores, whatsapp

SCENARIOS = (
    *crashes.SCENARIOS,
    *deployments.SCENARIOS,
    *whatsapp.SCENARIOS,
    *residual.SCENARIOS,
    *models.SCENARIOS,
    *stores.SCENARIOS,
    *feed.SCENARIOS,
    *load.SCENARIOS,
)
