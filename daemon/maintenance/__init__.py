"""What is done beside the deliveries: cleaning, counting, indexing, backups, the state directory."""
