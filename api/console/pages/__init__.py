"""The console's pages and their forms: one file for each page."""
