"""Mail about disabled webhooks (contract "Auto-disable"): what it says, and its two ways out, SMTP and a Maildir."""
