"""The feed: what happens in a tenant, in order and without gaps, as dashboards watch it live."""

from frontdesk.feed.announcer import announce_commits
from frontdesk.feed.events import tell
from frontdesk.feed.fanout import FeedHub, hub
from frontdesk.feed.models import Audience
from frontdesk.feed.policy import tell_contact_policy
from frontdesk.feed.privacy import HOLDINGS
from frontdesk.feed.schemas import PAYLOADS, ErasedPayload, FeedEventPublic, FeedPage, FeedPayload
from frontdesk.feed.whispers import whisper

__all__ = [
    "HOLDINGS",
    "PAYLOADS",
    "Audience",
    "ErasedPayload",
    "FeedEventPublic",
    "FeedHub",
    "FeedPage",
    "FeedPayload",
    "announce_commits",
    "hub",
    "tell",
    "tell_contact_policy",
    "whisper",
]
