"""Errors of agent_config."""

from frontdesk.core.errors import Conflict, NotFound


class NoSuchAgent(NotFound):
    """There is no such agent in this tenant."""

    code, title = "no_such_agent", "There is no such agent"


class NoSuchAgentVersion(NotFound):
    """The agent never had this version."""

    code, title = "no_such_agent_version", "The agent never had this version"


class NoSuchPreview(NotFound):
    """There is no such preview in this tenant, or it was made more than a day ago."""

    code, title = "no_such_preview", "There is no such preview"


class PreviewKeyReused(Conflict):
    """The idempotency key was used for another preview."""

    code, title = "idempotency_key_reused", "The idempotency key was used for something else"


class ConfigNeedsRun(Conflict):
    """The agent takes no configuration that has not passed an evaluation run."""

    code, title = "run_required", "This configuration has to pass an evaluation run first"


class AgentNameTaken(Conflict):
    """Another agent of the tenant has this name."""

    code, title = "agent_name_taken", "Another agent has this name"
