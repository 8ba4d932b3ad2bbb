//! The embedding service, with the real one and the real model.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use agent_turbo_stack::{
    DEFAULT_MODEL, Embedder, EmbedderOptions, Error, PostgresOptions, down, ensure_embedder, ensure_model,
    ensure_postgres, quiet, status,
};

use crate::program::{Got, embedder_command, ensure_in, process};
use crate::register;
use crate::support::{Bystander, Steps, TestHome, is_alive, kill, raw, wheels};

register!(
    the_service_embeds_and_is_found_again,
    processes_that_start_at_once_get_one_service,
    a_killed_service_is_started_again,
    a_stale_service_pid_that_is_somebody_elses_now_is_no_obstacle,
    a_port_with_another_service_on_it_is_left_alone,
    a_service_that_hangs_is_replaced,
    a_service_that_ends_at_once_is_quoted,
    models_are_served_side_by_side_and_down_stops_everything,
    a_model_is_found_in_the_hugging_face_cache,
    a_model_that_is_nowhere_is_told,
);

fn options() -> EmbedderOptions {
    EmbedderOptions::new(embedder_command())
}

async fn ensure(test: &TestHome) -> Embedder {
    ensure_embedder(&test.home, &options(), &quiet).await.unwrap()
}

fn port(embedder: &Embedder) -> u16 {
    embedder.url.rsplit(':').next().unwrap().parse().unwrap()
}

/// The numbers of a text's vector.
fn embed(embedder: &Embedder, text: &str) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port(embedder))).unwrap();
    let body = serde_json::json!({ "text": text }).to_string();
    let length = body.len();
    write!(
        stream,
        "POST /embed HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let json = answer.split_once("\r\n\r\n").unwrap().1;
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    json["embedding"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
}

async fn the_service_embeds_and_is_found_again() {
    let test = TestHome::new();
    let first = ensure(&test).await;
    assert_eq!(first.model, DEFAULT_MODEL);
    assert_eq!(embed(&first, "PostgreSQL is a powerful database"), 384);
    assert_eq!(rustix::process::getsid(Some(raw(first.pid))).unwrap(), raw(first.pid));
    let steps = Steps::default();
    assert_eq!(ensure_embedder(&test.home, &options(), &|step| steps.note(step)).await.unwrap(), first);
    assert_eq!(steps.all(), []);
}

async fn processes_that_start_at_once_get_one_service() {
    let test = TestHome::new();
    let starters: Vec<_> = (0..3)
        .map(|_| {
            let command = process("ensure-embedder", &test.home, &wheels());
            std::thread::spawn(move || ensure_in(command))
        })
        .collect();
    let here = ensure(&test).await;
    let here = Got { pid: here.pid, port: port(&here), url: here.url };
    for starter in starters {
        assert_eq!(starter.join().unwrap().unwrap(), here);
    }
    // Its starters have ended.
    assert!(is_alive(here.pid));
}

async fn a_killed_service_is_started_again() {
    let test = TestHome::new();
    let first = ensure(&test).await;
    kill(first.pid);
    assert!(status(&test.home).embedders.is_empty());
    let second = ensure(&test).await;
    assert_ne!(first.pid, second.pid);
    assert_eq!(first.url, second.url);
    assert_eq!(embed(&second, "again"), 384);
}

async fn a_stale_service_pid_that_is_somebody_elses_now_is_no_obstacle() {
    let test = TestHome::new();
    let first = ensure(&test).await;
    kill(first.pid);
    let file = test.join(&format!("embedders/{DEFAULT_MODEL}.json"));
    let mut bystander = Bystander::like_owner_of(&file);
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, before.replace(&first.pid.to_string(), &bystander.pid().to_string())).unwrap();
    assert!(status(&test.home).embedders.is_empty());
    assert_eq!(embed(&ensure(&test).await, "again"), 384);
    assert!(bystander.is_unharmed());
}

async fn a_port_with_another_service_on_it_is_left_alone() {
    let test = TestHome::new();
    let first = ensure(&test).await;
    kill(first.pid);
    let owner = TcpListener::bind(("127.0.0.1", port(&first))).unwrap();
    let second = ensure(&test).await;
    assert_ne!(first.url, second.url);
    assert_eq!(embed(&second, "elsewhere"), 384);
    owner.set_nonblocking(true).unwrap();
    assert!(owner.accept().is_err(), "a stranger's service was asked");
}

async fn a_service_that_hangs_is_replaced() {
    let test = TestHome::new();
    let first = ensure(&test).await;
    rustix::process::kill_process(raw(first.pid), rustix::process::Signal::STOP).unwrap();
    let second = ensure(&test).await;
    assert_ne!(first.pid, second.pid);
    assert!(!is_alive(first.pid));
    assert_eq!(embed(&second, "again"), 384);
}

async fn a_service_that_ends_at_once_is_quoted() {
    let test = TestHome::new();
    let options = EmbedderOptions::new([embedder_command()[0].clone(), "fail-to-serve".into()]);
    let error = ensure_embedder(&test.home, &options, &quiet).await.unwrap_err();
    assert!(matches!(&error, Error::NotStarted { log, .. } if log.contains("no heart")), "{error}");
    assert!(status(&test.home).embedders.is_empty());
    let missing = EmbedderOptions::new(["/nowhere/agent-turbo"]);
    let error = ensure_embedder(&test.home, &missing, &quiet).await.unwrap_err();
    assert!(
        matches!(&error, Error::Run { program, .. } if program == Path::new("/nowhere/agent-turbo")),
        "{error}"
    );
}

async fn models_are_served_side_by_side_and_down_stops_everything() {
    let test = TestHome::new();
    let other = test.dir.path().join("my-model");
    copy_model(&ensure_model(&test.home, &quiet).await.unwrap(), &other);
    let mine = EmbedderOptions { model: Some(other.display().to_string()), ..options() };
    let postgres_options = PostgresOptions::default();
    let (one, two, postgres) = tokio::join!(
        ensure(&test),
        ensure_embedder(&test.home, &mine, &quiet),
        ensure_postgres(&test.home, &postgres_options, &quiet),
    );
    let (two, postgres) = (two.unwrap(), postgres.unwrap());
    assert_eq!(two.model, "my-model");
    assert_eq!((embed(&one, "both"), embed(&two, "both")), (384, 384));

    let running = status(&test.home);
    let seen: Vec<_> = running.embedders.iter().map(|it| (it.model.as_str(), it.pid, it.healthy)).collect();
    assert_eq!(seen, [(DEFAULT_MODEL, one.pid, true), ("my-model", two.pid, true)]);

    let report = down(&test.home).await.unwrap();
    let stopped: Vec<_> =
        report.embedders.iter().map(|(model, it)| (model.as_str(), it.pid, it.forced)).collect();
    assert_eq!(stopped, [(DEFAULT_MODEL, one.pid, false), ("my-model", two.pid, false)]);
    assert_eq!(report.postgres.map(|it| it.pid), Some(postgres.pid()));
    for pid in [one.pid, two.pid, postgres.pid()] {
        assert!(!is_alive(pid));
    }
    let after = status(&test.home);
    assert!(after.postgres.is_none() && after.embedders.is_empty());
}

async fn a_model_is_found_in_the_hugging_face_cache() {
    let test = TestHome::new();
    let hub = test.dir.path().join("hub-home/hub/models--some-org--some-model");
    fs::create_dir_all(hub.join("refs")).unwrap();
    fs::write(hub.join("refs/main"), "0123abcd\n").unwrap();
    copy_model(&ensure_model(&test.home, &quiet).await.unwrap(), &hub.join("snapshots/0123abcd"));
    let mut command = process("ensure-embedder", &test.home, &wheels());
    command
        .arg("some-org/some-model")
        .env("HF_HOME", test.dir.path().join("hub-home"))
        .env_remove("HF_HUB_CACHE");
    let got = ensure_in(command).unwrap();
    let seen = status(&test.home).embedders;
    assert_eq!((seen[0].model.as_str(), seen[0].pid), ("some-org/some-model", got.pid));
}

async fn a_model_that_is_nowhere_is_told() {
    let test = TestHome::new();
    for name in ["some-org/not-here", "../../etc", "/nowhere/at/all", ""] {
        let options = EmbedderOptions { model: Some(name.to_owned()), ..options() };
        let error = ensure_embedder(&test.home, &options, &quiet).await.unwrap_err();
        assert!(matches!(&error, Error::NoModel { .. }), "{error}");
        assert!(error.hint().unwrap().contains("config.json"));
    }
}

fn copy_model(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_model(&entry.path(), &target);
        } else {
            fs::hard_link(entry.path(), target).unwrap();
        }
    }
}
