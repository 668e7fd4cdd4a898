"""Errors of prompts."""

from frontdesk.core.errors import Conflict, Invalid, NotFound


class NoSuchPrompt(NotFound):
    """Frontdesk uses no prompt of this name."""

    code, title = "no_such_prompt", "There is no such prompt"


class NoSuchPromptVersion(NotFound):
    """The tenant has no such version of the prompt."""

    code, title = "no_such_prompt_version", "There is no such version"


class PromptUnchanged(Conflict):
    """An earlier version has exactly this text; `version` names it."""

    code, title = "prompt_unchanged", "A version with this text exists"


class NothingToRollBack(Conflict):
    """The label stands where it began: at the built-in prompt."""

    code, title = "nothing_to_roll_back", "There is no release to take back"


class ApprovalRequired(Conflict):
    """The tenant lets nothing into production that nobody but its author has approved."""

    code, title = "approval_required", "Another user has to approve this version"


class RunRequired(Conflict):
    """The tenant lets nothing into production that has not passed an evaluation run."""

    code, title = "run_required", "This version has to pass an evaluation run first"


class OwnVersion(Conflict):
    """Whoever wrote a version can't be the one who approves it."""

    code, title = "own_version", "Your own version is for somebody else to approve"


class ExperimentRunning(Conflict):
    """An experiment on the prompt is open, and what it measures must stay as it is."""

    code, title = "experiment_running", "An experiment on this prompt is open"


class NoSuchExperiment(NotFound):
    """The prompt has no such experiment."""

    code, title = "no_such_experiment", "There is no such experiment"


class CantMoveThere(Conflict):
    """The experiment can't take this step from where it is; `state` says where."""

    code, title = "experiment_step", "The experiment can't go there"


class PromptInvalid(Invalid):
    """The template can't be used; `unknown` and `missing` list variables where it is about those."""

    code, title = "prompt_invalid", "The prompt can't be used"
