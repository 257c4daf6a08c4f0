"""The door in the process: a middleware in front of an application, without a network hop."""
