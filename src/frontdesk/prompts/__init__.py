"""Prompts: versioned texts for models, the labels that put them into use, and a safe way to fill
them in."""

from frontdesk.prompts.defaults import BUILT_IN_VERSION, DEFAULT_PROMPTS, DefaultPrompt
from frontdesk.prompts.errors import (
    NoSuchPrompt,
    NoSuchPromptVersion,
    NothingToRollBack,
    PromptInvalid,
    PromptUnchanged,
)
from frontdesk.prompts.rules import Bump
from frontdesk.prompts.schemas import PromptPublic, PromptVersionPublic
from frontdesk.prompts.service import create_version, publish_version
from frontdesk.prompts.snapshots import PromptSnapshot, load_prompt
from frontdesk.prompts.template import render

__all__ = [
    "BUILT_IN_VERSION",
    "DEFAULT_PROMPTS",
    "Bump",
    "DefaultPrompt",
    "NoSuchPrompt",
    "NoSuchPromptVersion",
    "NothingToRollBack",
    "PromptInvalid",
    "PromptPublic",
    "PromptSnapshot",
    "PromptUnchanged",
    "PromptVersionPublic",
    "create_version",
    "load_prompt",
    "publish_version",
    "render",
]
