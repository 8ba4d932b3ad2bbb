use agent_turbo_orchestrator::Service;
use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::json;

use crate::output::{DIM, Output, headline};

/// Services on the screen, or as JSON.
pub(super) fn print(mut out: Output, services: &[Service]) -> Result<()> {
    if services.is_empty() {
        out.line("No service is registered.");
    } else {
        out.line(table(services));
    }
    for service in services {
        if let Some(error) = &service.last_error {
            let (name, error) = (headline(&service.service_name, 60), headline(error, 120));
            out.line(format_args!("{DIM}{name}: {error}{DIM:#}"));
        }
    }
    out.print(&json!({ "services": services }))
}

fn table(services: &[Service]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["Service", "Machine", "Type", "Asked at", "Status", "Checked"]);
    for service in services {
        let place = service.health_url.clone().or_else(|| service.port.map(|port| format!("port {port}")));
        let checked = service.checked_at.map(|time| time.strftime("%Y-%m-%d %H:%M").to_string());
        table.add_row([
            headline(&service.service_name, 60),
            headline(service.node_name.as_deref().unwrap_or("–"), 60),
            headline(service.service_type.as_deref().unwrap_or("–"), 20),
            headline(place.as_deref().unwrap_or("–"), 60),
            service.status.to_string(),
            checked.unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    table
}
