//! Runs a command for each task of a role.
