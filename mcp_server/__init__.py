"""The MCP face of a store: tools, resources and prompts over `memory.Store`."""
