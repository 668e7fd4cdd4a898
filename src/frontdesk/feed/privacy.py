"""What the feed holds of contacts: events that quote them. The numbers stay, without a gap."""

from frontdesk.core.holdings import KEEP, Holding

HOLDINGS = (
    Holding(
        "feed_event",
        of_contact="(payload->>'contact_id' = ($1::uuid)::text OR payload->>'conversation_id' IN "
        "(SELECT id::text FROM conversation WHERE contact_id = $1) OR payload::text ~ $2)",
        erase="payload = jsonb_strip_nulls(jsonb_build_object('conversation_id', "
        "payload->'conversation_id', 'message_id', payload->'message_id', 'erased', true))",
    ),
    Holding("feed_counter", erase_with_tenant=KEEP),
)
