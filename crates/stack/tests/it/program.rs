//! This binary as a program of its own.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use agent_turbo_embedder::{Engine, EngineOptions, Limits, Model, ModelOptions, serve as serve_engine};
use agent_turbo_stack::{
    EmbedderOptions, Error, Home, PostgresOptions, ensure_embedder, ensure_model, ensure_postgres, quiet,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::support::runtime;

/// What another process of the library says about the server that it got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    pub(crate) url: String,
}

/// Does what the first argument says, if it is one of these; else the tests are run.
///
/// `ensure-postgres`, `ensure-model` and `ensure-embedder` use the home of the environment and print what they got,
/// or fail with the error, its cause and its hint. `serve-model` is the embedding service, and `fail-to-serve`
/// one that cannot.
pub(crate) fn run_as_program() -> Option<ExitCode> {
    let result = match std::env::args().nth(1)?.as_str() {
        "ensure-postgres" => runtime().block_on(postgres()),
        "ensure-model" => runtime().block_on(model()),
        "ensure-embedder" => runtime().block_on(embedder()),
        "serve-model" => return Some(runtime().block_on(serve())),
        "fail-to-serve" => {
            eprintln!("this service has no heart for it");
            return Some(ExitCode::FAILURE);
        }
        _ => return None,
    };
    match &result {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("{}", described(error)),
    }
    Some(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn postgres() -> Result<String, Error> {
    let got = ensure_postgres(&Home::from_env()?, &PostgresOptions::default(), &quiet).await?;
    Ok(format!("{} {} {}", got.pid(), got.port(), got.url().expose()))
}

async fn model() -> Result<String, Error> {
    let dir = ensure_model(&Home::from_env()?, &quiet).await?;
    Ok(dir.display().to_string())
}

async fn embedder() -> Result<String, Error> {
    let mut options = EmbedderOptions::new(embedder_command());
    options.model = std::env::args().nth(2);
    let got = ensure_embedder(&Home::from_env()?, &options, &quiet).await?;
    Ok(format!("{} {} {}", got.pid, got.url.rsplit(':').next().unwrap(), got.url))
}

/// How this binary is started as the embedding service.
pub(crate) fn embedder_command() -> [OsString; 2] {
    [std::env::current_exe().unwrap().into(), "serve-model".into()]
}

/// The real service with the model that the arguments name.
async fn serve() -> ExitCode {
    let argument = |name: &str| std::env::args().skip_while(|it| it != name).nth(1).unwrap();
    let options =
        ModelOptions { name: Some(argument("--model-name")), threads: Some(1), ..ModelOptions::default() };
    let model = Model::load(Path::new(&argument("--model-dir")), &options).unwrap();
    let engine = Engine::start(model, EngineOptions::default()).unwrap();
    let listener = TcpListener::bind(argument("--listen")).await.unwrap();
    let mut stop = signal(SignalKind::terminate()).unwrap();
    serve_engine(listener, engine, Limits::default(), async move {
        stop.recv().await;
    })
    .await
    .unwrap();
    ExitCode::SUCCESS
}

/// An error as the real program would tell it.
pub(crate) fn described(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("failed to {error}: {cause}\nhint: {}", error.hint().unwrap_or_default())
}

/// This binary doing `what` in another process, with `home`.
pub(crate) fn process(what: &str, home: &Home, wheels: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(what).env("AGENT_TURBO_HOME", home.path()).env("AGENT_TURBO_WHEEL_DIR", wheels);
    command
}

/// Runs it to its end; its complaint when it failed.
pub(crate) fn ensure_in(mut command: Command) -> Result<Got, String> {
    let output = command.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let said = String::from_utf8(output.stdout).unwrap();
    let mut words = said.split_whitespace();
    let mut word = || words.next().unwrap_or_else(|| panic!("too few words: {said}"));
    Ok(Got { pid: word().parse().unwrap(), port: word().parse().unwrap(), url: word().to_owned() })
}
