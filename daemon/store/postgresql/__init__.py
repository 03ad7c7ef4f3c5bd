"""The store's second engine: a PostgreSQL database, 14 or newer (architecture "The store's engine")."""
