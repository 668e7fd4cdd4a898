"""Prompts: versioned texts for models, the labels that put them into use, and a safe way to fill
them in."""

from frontdesk.prompts.defaults import BUILT_IN_VERSION, DEFAULT_PROMPTS, DefaultPrompt
from frontdesk.prompts.errors import (
    ApprovalRequired,
    CantMoveThere,
    ExperimentRunning,
    NoSuchExperiment,
    NoSuchPrompt,
    NoSuchPromptVersion,
    NothingToRollBack,
    OwnVersion,
    PromptInvalid,
    PromptUnchanged,
    RunRequired,
)
from frontdesk.prompts.events import ExperimentMoved
from frontdesk.prompts.experiments import (
    get_experiment,
    list_experiments,
    move_experiment,
    start_experiment,
)
from frontdesk.prompts.files import (
    PushAction,
    Pushed,
    file_text,
    get_standing,
    push_file,
    read_file,
)
from frontdesk.prompts.releases import approve_version, pass_version, publish_version, roll_back
from frontdesk.prompts.rules import Bump, ExperimentState, content_hash
from frontdesk.prompts.schemas import (
    ExperimentMove,
    ExperimentPublic,
    ExperimentStart,
    GuardMetric,
    PromptPublic,
    PromptVersionPublic,
    Variant,
)
from frontdesk.prompts.service import (
    create_version,
    diff_versions,
    get_prompt,
    get_version,
    list_prompts,
    list_versions,
)
from frontdesk.prompts.snapshots import Exposure, FilledPrompt, PromptSnapshot, fill, load_prompt
from frontdesk.prompts.template import as_data, render

__all__ = [
    "BUILT_IN_VERSION",
    "DEFAULT_PROMPTS",
    "ApprovalRequired",
    "Bump",
    "CantMoveThere",
    "DefaultPrompt",
    "ExperimentMove",
    "ExperimentMoved",
    "ExperimentPublic",
    "ExperimentRunning",
    "ExperimentStart",
    "ExperimentState",
    "Exposure",
    "FilledPrompt",
    "GuardMetric",
    "NoSuchExperiment",
    "NoSuchPrompt",
    "NoSuchPromptVersion",
    "NothingToRollBack",
    "OwnVersion",
    "PromptInvalid",
    "PromptPublic",
    "PromptSnapshot",
    "PromptUnchanged",
    "PromptVersionPublic",
    "PushAction",
    "Pushed",
    "RunRequired",
    "Variant",
    "approve_version",
    "as_data",
    "content_hash",
    "create_version",
    "diff_versions",
    "file_text",
    "fill",
    "get_experiment",
    "get_prompt",
    "get_standing",
    "get_version",
    "list_experiments",
    "list_prompts",
    "list_versions",
    "load_prompt",
    "move_experiment",
    "pass_version",
    "publish_version",
    "push_file",
    "read_file",
    "render",
    "roll_back",
    "start_experiment",
]
