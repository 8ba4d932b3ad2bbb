//! Writes the configuration by which agent programs find Agent Turbo, and takes it out again.
