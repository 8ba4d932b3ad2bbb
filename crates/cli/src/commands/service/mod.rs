mod print;

use agent_turbo_orchestrator::{NewService, ServiceStatus};
use anyhow::Result;

use crate::commands::service::print::print;
use crate::commands::show;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{Output, headline};

/// The services that run on the machines. A service is active because it answered.
#[derive(Debug, clap::Args)]
pub(crate) struct Service {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Register a service, or bring it up to date, and ask it whether it is there.
    Register(Register),
    /// List the registered services as they were when they were last asked.
    List,
    /// Ask services whether they are there; fails when one that could be asked is not active.
    Check(Check),
    /// Remove a service from the list.
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
struct Register {
    /// Its name, unique on its machine.
    name: String,
    /// Where it listens.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// An http URL that answers 2xx when all is well [default: whether the port takes a connection].
    #[arg(long, value_name = "URL")]
    health: Option<String>,
    /// What kind of service it is.
    #[arg(long = "type", value_name = "TYPE")]
    service_type: Option<String>,
    /// The registered machine that it runs on [default: this one].
    #[arg(long)]
    node: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Check {
    /// Only services of this name [default: all].
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Remove {
    /// Its name.
    name: String,
    /// The machine, where several have such a service.
    #[arg(long)]
    node: Option<String>,
}

impl Service {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        match self.verb {
            Verb::Register(register) => register.run(deployment, out).await,
            Verb::List => list(deployment, out).await,
            Verb::Check(check) => check.run(deployment, out).await,
            Verb::Remove(remove) => remove.run(deployment, out).await,
        }
    }
}

impl Register {
    async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let service = NewService {
            name: self.name,
            node: self.node,
            port: self.port,
            service_type: self.service_type,
            health_url: self.health,
        };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let service = orchestrator.register_service(service).await?;
        let mark = if service.status == ServiceStatus::Active { "✅" } else { "⚠️ " };
        out.line(format_args!(
            "{mark} Registered service: {} ({})",
            headline(&service.service_name, 80),
            service.status
        ));
        if let Some(error) = &service.last_error {
            out.line(format_args!("   {}", headline(error, 120)));
        }
        out.print(&service)?;
        Ok(Exit::Done)
    }
}

async fn list(deployment: &Deployment, out: Output) -> Result<Exit> {
    let services = deployment.open_orchestrator(Lifetime::OneCommand).await?.list_services().await?;
    print(out, &services)?;
    Ok(Exit::Done)
}

impl Check {
    async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let services = match &self.name {
            Some(name) => orchestrator.probe_service(name).await?,
            None => orchestrator.probe_services().await?,
        };
        if let (Some(name), true) = (&self.name, services.is_empty()) {
            return missing(out, name);
        }
        print(out, &services)?;
        let wrong = [ServiceStatus::Inactive, ServiceStatus::Failed];
        let well = services.iter().all(|service| !wrong.contains(&service.status));
        Ok(if well { Exit::Done } else { Exit::Failed })
    }
}

impl Remove {
    async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let removed = orchestrator.remove_service(&self.name, self.node.as_deref()).await?;
        let Some(service) = removed else { return missing(out, &self.name) };
        out.line(format_args!("✅ Removed service: {}", headline(&service.service_name, 80)));
        out.print(&service)?;
        Ok(Exit::Done)
    }
}

fn missing(out: Output, name: &str) -> Result<Exit> {
    show::nothing(out, format_args!("No service {} is registered.", headline(name, 80)))
}
