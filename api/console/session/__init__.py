"""Access to pages: sessions, page requests, forms and their protection against CSRF, refusals."""
