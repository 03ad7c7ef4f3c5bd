"""What systemd gives and wants: credentials, the journal, readiness, the watchdog."""
