"""Identity: tenants, users and what they may do; signing in, staying in, and being put out."""

from frontdesk.identity.accounts import (
    add_member,
    create_tenant,
    create_user,
    make_super_admin,
    prune_sign_ins,
)
from frontdesk.identity.api_keys import authenticate_key
from frontdesk.identity.authentication import authenticate, recheck
from frontdesk.identity.errors import (
    AlreadyMember,
    ChooseTenant,
    EmailTaken,
    LastAdmin,
    PlanLimitReached,
    SlugTaken,
    TooManySignIns,
    WeakPassword,
    WrongCredentials,
)
from frontdesk.identity.events import ContactPolicyChanged, MemberDisabled, RoleChanged
from frontdesk.identity.live_sessions import LiveSession, forget, last_seen
from frontdesk.identity.members import find_admin, get_member, get_user_names, list_members
from frontdesk.identity.models import TenantStatus
from frontdesk.identity.onboarding_schemas import InviteCreate, InvitePublic
from frontdesk.identity.operating import invite_for, send_reset, sign_out_member
from frontdesk.identity.plans import PlanLimit, require_room
from frontdesk.identity.schemas import MemberPublic, MePublic, TenantPublic
from frontdesk.identity.subscribing import PlanTerms, resume_paid, set_plan, suspend_unpaid
from frontdesk.identity.tenant_schemas import Suspension, TenantAccountPublic, TenantCreate
from frontdesk.identity.tenants import list_tenants, open_tenant, resume, suspend

__all__ = [
    "AlreadyMember",
    "ChooseTenant",
    "ContactPolicyChanged",
    "EmailTaken",
    "InviteCreate",
    "InvitePublic",
    "LastAdmin",
    "LiveSession",
    "MePublic",
    "MemberDisabled",
    "MemberPublic",
    "PlanLimit",
    "PlanLimitReached",
    "PlanTerms",
    "RoleChanged",
    "SlugTaken",
    "Suspension",
    "TenantAccountPublic",
    "TenantCreate",
    "TenantPublic",
    "TenantStatus",
    "TooManySignIns",
    "WeakPassword",
    "WrongCredentials",
    "add_member",
    "authenticate",
    "authenticate_key",
    "create_tenant",
    "create_user",
    "find_admin",
    "forget",
    "get_member",
    "get_user_names",
    "invite_for",
    "last_seen",
    "list_members",
    "list_tenants",
    "make_super_admin",
    "open_tenant",
    "prune_sign_ins",
    "recheck",
    "require_room",
    "resume",
    "resume_paid",
    "send_reset",
    "set_plan",
    "sign_out_member",
    "suspend",
    "suspend_unpaid",
]
