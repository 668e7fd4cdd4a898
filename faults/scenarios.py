"""All scenarios, in the order of the table."""

from faults import crashes, deployments, feed, load, models, residual, stores, takeovers, whatsapp

SCENARIOS = (
    *crashes.SCENARIOS,
    *deployments.SCENARIOS,
    *whatsapp.SCENARIOS,
    *residual.SCENARIOS,
    *models.SCENARIOS,
    *takeovers.SCENARIOS,
    *stores.SCENARIOS,
    *feed.SCENARIOS,
    *load.SCENARIOS,
)
