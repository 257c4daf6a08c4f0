"""The door of the terminal: a module per group of commands. ``main`` puts them together, ``door`` says how it ends."""
