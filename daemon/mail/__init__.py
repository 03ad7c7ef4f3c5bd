"""Mail about disabled webhooks (SPEC "Auto-disable"): what it says, and its two ways out, SMTP and a Maildir."""
