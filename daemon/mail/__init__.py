"""Mail about disabled webhooks (contract "Auto-disable"): its text, and sending it by SMTP or into a Maildir."""
