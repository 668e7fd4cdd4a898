"""Frontdesk: a multi-tenant WhatsApp support desk."""
