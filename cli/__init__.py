"""The `mem` command line: thin verbs over `memory.Store`."""
