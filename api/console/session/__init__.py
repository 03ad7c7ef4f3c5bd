"""Who is signed in: sessions, the sign-in, and what guards each form."""
