"""Row-level security as SQL, for migrations: Alembic's autogenerate does not see policies."""

from frontdesk.core.settings import APP_ROLE, SYSTEM_ROLE

# Compare uuid with uuid: casting the column instead would lose the index. The setting reads '' on a
# pooled connection after its first transaction, hence nullif; no tenant then means no rows.
CURRENT_TENANT = "nullif(current_setting('app.tenant_id', true), '')::uuid"

FULL = "SELECT, INSERT, UPDATE, DELETE"
APPEND_ONLY = "SELECT, INSERT"


def seal_tenant_table(table: str, *, grants: str = FULL, column: str = "tenant_id") -> list[str]:
    """Statements that show and let write only the current tenant's rows, to the owner as well."""
    mine = f"{column} = {CURRENT_TENANT}"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant_isolation ON {table} USING ({mine}) WITH CHECK ({mine})",
        f"GRANT {grants} ON {table} TO {APP_ROLE}",
        f"GRANT {FULL} ON {table} TO {SYSTEM_ROLE}",
    ]


def reserve_for_system(table: str) -> list[str]:
    """Statements that keep a table without tenant to the role that routes and sweeps."""
    return [
        f"REVOKE ALL ON {table} FROM PUBLIC",
        f"REVOKE ALL ON {table} FROM {APP_ROLE}",
        f"GRANT {FULL} ON {table} TO {SYSTEM_ROLE}",
    ]
