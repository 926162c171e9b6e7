"""Rules of people: triage, roles, timeline, on-call, escalation, remedies, review. Told the time; without I/O."""
