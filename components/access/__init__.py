"""Who is here and what they may do: roles, when a log-in ends, the audit log. Nothing of it where nobody logs in."""
