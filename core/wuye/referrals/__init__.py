"""Referrals (工作联系单): how one department hands work to another without knowing it."""
