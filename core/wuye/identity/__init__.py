"""Who acts: users of the installation, their memberships in estates, and their API tokens."""
