"""A creator platform's API, written as a customer of Limen would write it. README.md says how to run it."""
