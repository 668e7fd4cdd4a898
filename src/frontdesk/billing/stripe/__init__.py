"""Billing tenants through Stripe: plans, subscriptions, meters fed from the ledger, reconciliation.

Everything a deployment without `STRIPE__SECRET_KEY` never touches; `docs/stripe.md` is its handbook.
"""
