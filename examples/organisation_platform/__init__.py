"""An organisation platform's API behind Limen: see README.md beside this file."""
