use std::collections::BTreeMap;

use anyhow::{Result, bail};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which crates of this workspace a crate may depend on. Tests may use `test-support` and what stands beside them.
const ALLOWED: &[(&str, &[&str])] = &[
    ("agent-turbo-db", &[]),
    ("agent-turbo-documents", &[]),
    ("agent-turbo-embed", &[]),
    ("agent-turbo-embedder", &[]),
    ("agent-turbo-metrics", &[]),
    ("agent-turbo-redact", &[]),
    ("agent-turbo-stack", &[]),
    ("agent-turbo-knowledge", &["agent-turbo-db", "agent-turbo-embed", "agent-turbo-redact"]),
    ("agent-turbo-orchestrator", &["agent-turbo-db", "agent-turbo-metrics", "agent-turbo-redact"]),
    ("agent-turbo-planner", &["agent-turbo-orchestrator"]),
    ("agent-turbo-migrator", &["agent-turbo-knowledge"]),
    ("agent-turbo-ingest", &["agent-turbo-documents", "agent-turbo-knowledge"]),
    ("agent-turbo-worker", &["agent-turbo-orchestrator"]),
    ("agent-turbo-setup", &[]),
    (
        "agent-turbo-server",
        &[
            "agent-turbo-db",
            "agent-turbo-embed",
            "agent-turbo-knowledge",
            "agent-turbo-metrics",
            "agent-turbo-orchestrator",
            "agent-turbo-planner",
        ],
    ),
    (
        "agent-turbo-cli",
        &[
            "agent-turbo-db",
            "agent-turbo-embed",
            "agent-turbo-embedder",
            "agent-turbo-ingest",
            "agent-turbo-knowledge",
            "agent-turbo-metrics",
            "agent-turbo-migrator",
            "agent-turbo-orchestrator",
            "agent-turbo-planner",
            "agent-turbo-redact",
            "agent-turbo-server",
            "agent-turbo-setup",
            "agent-turbo-stack",
            "agent-turbo-worker",
        ],
    ),
    (
        "agent-turbo-test-support",
        &["agent-turbo-db", "agent-turbo-embed", "agent-turbo-embedder", "agent-turbo-stack"],
    ),
    (
        "agent-turbo-benches",
        &[
            "agent-turbo-cli",
            "agent-turbo-db",
            "agent-turbo-embed",
            "agent-turbo-embedder",
            "agent-turbo-ingest",
            "agent-turbo-knowledge",
            "agent-turbo-migrator",
            "agent-turbo-orchestrator",
            "agent-turbo-planner",
            "agent-turbo-stack",
            "agent-turbo-test-support",
        ],
    ),
    (
        "agent-turbo-fuzz-targets",
        &[
            "agent-turbo-cli",
            "agent-turbo-db",
            "agent-turbo-embed",
            "agent-turbo-embedder",
            "agent-turbo-knowledge",
            "agent-turbo-migrator",
            "agent-turbo-orchestrator",
            "agent-turbo-planner",
            "agent-turbo-redact",
        ],
    ),
    (
        "xtask",
        &[
            "agent-turbo-cli",
            "agent-turbo-db",
            "agent-turbo-embed",
            "agent-turbo-knowledge",
            "agent-turbo-migrator",
            "agent-turbo-orchestrator",
            "agent-turbo-planner",
            "agent-turbo-stack",
            "agent-turbo-test-support",
        ],
    ),
];

/// Holds every dependency between the workspace's crates against the table.
pub(crate) fn run() -> Result<()> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut edges = 0;
    for package in &metadata.packages {
        let Some(below) = allowed.get(package.name.as_str()) else {
            bail!("{} is not in the table of layers (xtask/src/layers.rs)", package.name);
        };
        let ours = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        for dependency in ours.filter(|dependency| dependency.kind != DependencyKind::Development) {
            if !below.contains(&dependency.name.as_str()) {
                bail!(
                    "{} must not depend on {} (docs/ARCHITECTURE.md, layers)",
                    package.name,
                    dependency.name
                );
            }
            edges += 1;
        }
    }
    anstream::println!("layers: {} crates, {edges} dependencies, all downward", metadata.packages.len());
    Ok(())
}
