"""What people do elsewhere, in PagerDuty, Slack and Opsgenie, as it comes back: who says it, and what it asks for."""
