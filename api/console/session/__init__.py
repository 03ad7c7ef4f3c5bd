"""Who is signed in and what they ask for: sessions, requests of pages, forms and what guards them, refusals."""
