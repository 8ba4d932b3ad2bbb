//! The Model Context Protocol: one connection is one agent.
