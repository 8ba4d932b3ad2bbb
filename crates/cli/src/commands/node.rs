use agent_turbo_orchestrator::{self as orchestrator, KnownNode};
use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde_json::json;

use crate::commands::show;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, headline};

/// The machines that take part.
#[derive(Debug, clap::Args)]
pub(crate) struct Node {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Register this machine, or bring its hardware up to date.
    Register(Register),
    /// List the registered machines.
    List,
    /// Show a machine.
    Show(Named),
    /// Remove a machine together with its services.
    Remove(Named),
}

#[derive(Debug, clap::Args)]
struct Register {
    /// What it is for [default: workstation, or the role that it has].
    #[arg(long)]
    role: Option<String>,
    /// Its name [default: its host name].
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The machine's name.
    name: String,
}

impl Node {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        match self.verb {
            Verb::Register(register) => register.run(deployment, out).await,
            Verb::List => list(deployment, out).await,
            Verb::Show(named) => named.show(deployment, out).await,
            Verb::Remove(named) => named.remove(deployment, out).await,
        }
    }
}

impl Register {
    async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let mut machine = orchestrator::Node::this_machine();
        if let Some(name) = self.name {
            machine.node_name = name;
        }
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let known = match self.role {
            Some(role) => orchestrator.register_node_as(&machine, &role).await?,
            None => orchestrator.register_node(&machine).await?,
        };
        let (name, role) = (headline(&known.node.node_name, 80), headline(&known.node.node_role, 40));
        out.line(format_args!("✅ Registered machine: {name} ({role})"));
        out.print(&known)?;
        Ok(Exit::Done)
    }
}

async fn list(deployment: &Deployment, mut out: Output) -> Result<Exit> {
    let nodes = deployment.open_orchestrator(Lifetime::OneCommand).await?.list_nodes().await?;
    if nodes.is_empty() {
        out.line("No machine is registered.");
    } else {
        out.line(table(&nodes));
    }
    out.print(&json!({ "nodes": nodes }))?;
    Ok(Exit::Done)
}

impl Named {
    async fn show(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let Some(known) = orchestrator.node_named(&self.name).await? else { return self.missing(out) };
        let node = &known.node;
        out.line(format_args!("{BOLD}{}{BOLD:#}", headline(&node.node_name, 80)));
        out.line(format_args!(
            "{DIM}{} · registered {} · last seen {}{DIM:#}",
            headline(&node.node_role, 40),
            known.created_at.strftime("%Y-%m-%d %H:%M:%SZ"),
            known.last_seen.strftime("%Y-%m-%d %H:%M:%SZ"),
        ));
        let parts = [
            ("Processor", node.cpu_model.clone()),
            ("Cores", node.cpu_cores_total.map(|cores| cores.to_string())),
            ("Memory", node.ram_gb.map(|gib| format!("{gib:.1} GiB"))),
            ("Storage", node.storage_internal_tb.map(|tb| format!("{tb:.2} TB"))),
            ("Model", node.model_name.clone()),
            ("Graphics", node.gpu_model.clone()),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                out.line(format_args!("{name:<10} {}", headline(&value, 120)));
            }
        }
        out.print(&known)?;
        Ok(Exit::Done)
    }

    async fn remove(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let Some(removed) = orchestrator.remove_node(&self.name).await? else { return self.missing(out) };
        out.line(format_args!("✅ Removed machine: {}", headline(&self.name, 80)));
        match removed.removed_services {
            0 => {}
            1 => out.line("   And its service"),
            services => out.line(format_args!("   And its {services} services")),
        }
        out.print(&removed)?;
        Ok(Exit::Done)
    }

    fn missing(&self, out: Output) -> Result<Exit> {
        show::nothing(out, format_args!("No machine {} is registered.", headline(&self.name, 80)))
    }
}

fn table(nodes: &[KnownNode]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["Machine", "Role", "Processor", "Cores", "Memory", "Last seen"]);
    for KnownNode { node, last_seen, .. } in nodes {
        table.add_row([
            headline(&node.node_name, 60),
            headline(&node.node_role, 20),
            headline(node.cpu_model.as_deref().unwrap_or("–"), 40),
            node.cpu_cores_total.map_or("–".to_owned(), |cores| cores.to_string()),
            node.ram_gb.map_or("–".to_owned(), |gib| format!("{gib:.1} GiB")),
            last_seen.strftime("%Y-%m-%d %H:%M").to_string(),
        ]);
    }
    for column in [3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
