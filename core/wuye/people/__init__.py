"""People of the estate: owners, tenants and family members with dated occupancies; departments and staff."""
