//! Services are what they answer, and not what somebody says of them.

use std::time::Instant;

use agent_turbo_orchestrator::{
    Error, NewService, Node, Orchestrator, PROBE_TIMEOUT, Service, ServiceStatus,
};
use agent_turbo_test_support::{Behaviour, Misbehaving};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::orchestrator;

/// A port that nobody listens on.
fn dead_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A service that answers as told.
async fn answering(status: u16, body: &str) -> Misbehaving {
    Misbehaving::start(Behaviour::Answers(status, body.to_owned())).await.unwrap()
}

fn at_url(name: &str, url: impl Into<String>) -> NewService {
    NewService { health_url: Some(url.into()), ..NewService::named(name) }
}

fn at_port(name: &str, port: u16) -> NewService {
    NewService { port: Some(port), ..NewService::named(name) }
}

fn found(service: &Service) -> (ServiceStatus, Option<&str>) {
    (service.status, service.last_error.as_deref())
}

async fn one(orchestrator: &Orchestrator, name: &str) -> Service {
    let mut probed = orchestrator.probe_service(name).await.unwrap();
    assert_eq!(probed.len(), 1);
    probed.pop().unwrap()
}

#[tokio::test]
async fn what_answers_2xx_is_active_on_this_machine_at_once() {
    let (_database, orchestrator) = orchestrator().await;
    let healthy = answering(204, "").await;
    let new = NewService {
        service_type: Some("api".to_owned()),
        port: Some(8080),
        ..at_url("web", format!("{}/health?deep=1", healthy.url()))
    };
    let service = orchestrator.register_service(new).await.unwrap();
    assert_eq!(found(&service), (ServiceStatus::Active, None));
    assert_eq!(service.node_name.as_ref(), Some(&Node::this_machine().node_name));
    assert_eq!((service.port, service.service_type.as_deref()), (Some(8080), Some("api")));
    assert!(service.checked_at.is_some());
    assert_eq!(healthy.requests(), 1);
    assert_eq!(orchestrator.list_services().await.unwrap(), [service]);
    assert_eq!(orchestrator.count_nodes().await.unwrap(), 1);
}

#[tokio::test]
async fn wrong_answers_fail_with_their_reason() {
    let (_database, orchestrator) = orchestrator().await;
    let service = answering(500, "{}").await;
    orchestrator.register_service(at_url("web", service.url())).await.unwrap();
    for (behaviour, reason) in [
        (Behaviour::Answers(500, String::new()), "it answered 500 Internal Server Error"),
        (Behaviour::Answers(404, String::new()), "it answered 404 Not Found"),
        (Behaviour::Answers(302, String::new()), "it answered 302 Found, a redirect, which is not followed"),
        (Behaviour::Breaks, "it does not answer in HTTP: "),
    ] {
        service.behave(behaviour);
        let before = service.requests();
        let probed = one(&orchestrator, "web").await;
        let error = probed.last_error.unwrap();
        assert!(probed.status == ServiceStatus::Failed && error.starts_with(reason), "{error}");
        assert_eq!(service.requests(), before + 1, "a probe asks once");
    }
}

#[tokio::test]
async fn what_never_answers_fails_within_the_limit() {
    let (_database, orchestrator) = orchestrator().await;
    let silent = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let started = Instant::now();
    let service = orchestrator.register_service(at_url("web", silent.url())).await.unwrap();
    assert_eq!(found(&service), (ServiceStatus::Failed, Some("it did not answer within 2s")));
    assert!(started.elapsed() >= PROBE_TIMEOUT);
}

#[tokio::test]
async fn a_port_is_enough_and_nobody_there_is_no_failure() {
    let (_database, orchestrator) = orchestrator().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = orchestrator.register_service(at_port("db", port)).await.unwrap();
    assert_eq!(found(&service), (ServiceStatus::Active, None));
    drop(listener);
    let refused = Some("nobody listens there: connection refused");
    assert_eq!(found(&one(&orchestrator, "db").await), (ServiceStatus::Inactive, refused));
    let url = format!("http://127.0.0.1:{}/", dead_port());
    let service = orchestrator.register_service(at_url("web", url)).await.unwrap();
    assert_eq!(found(&service), (ServiceStatus::Inactive, refused));
}

#[tokio::test]
async fn a_service_on_ipv6_alone_is_found() {
    let (_database, orchestrator) = orchestrator().await;
    // A machine without IPv6 has no such services.
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let port = listener.local_addr().unwrap().port();
    let service = orchestrator.register_service(at_port("db", port)).await.unwrap();
    assert_eq!(service.status, ServiceStatus::Active);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let (_database, orchestrator) = orchestrator().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
        let mut sent = 0;
        // Until the other side has enough.
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {
            sent += 4096;
        }
        sent
    });
    let started = Instant::now();
    let service = orchestrator.register_service(at_url("web", url)).await.unwrap();
    assert_eq!(found(&service), (ServiceStatus::Active, None));
    assert!(started.elapsed() < PROBE_TIMEOUT);
    // What the kernel buffers on both sides, and no more.
    let sent = sent.await.unwrap();
    assert!(sent < 32 << 20, "{sent} bytes were read");
}

#[tokio::test]
async fn registering_again_brings_up_to_date_and_leaves_what_others_noted() {
    let (database, orchestrator) = orchestrator().await;
    let new = NewService { service_type: Some("api".to_owned()), ..at_port("web", dead_port()) };
    let first = orchestrator.register_service(new).await.unwrap();
    assert_eq!(first.status, ServiceStatus::Inactive);
    let client = database.client().await.unwrap();
    client.execute("UPDATE services SET metadata = metadata || '{\"owner\": \"ann\"}'", &[]).await.unwrap();
    let healthy = answering(200, "ok").await;
    let second = orchestrator.register_service(at_url("web", healthy.url())).await.unwrap();
    assert_eq!(found(&second), (ServiceStatus::Active, None));
    assert_eq!((second.port, second.service_type.as_deref()), (None, Some("api")));
    assert_eq!(second.created_at, first.created_at);
    let metadata = async || {
        let row = client.query_one("SELECT metadata::text FROM services", &[]).await.unwrap();
        row.get::<_, String>(0)
    };
    assert_eq!(metadata().await, r#"{"owner": "ann"}"#);
    healthy.behave(Behaviour::Answers(503, String::new()));
    orchestrator.probe_services().await.unwrap();
    assert_eq!(metadata().await, r#"{"owner": "ann", "last_error": "it answered 503 Service Unavailable"}"#);
    healthy.behave(Behaviour::Answers(200, String::new()));
    orchestrator.probe_services().await.unwrap();
    assert_eq!(metadata().await, r#"{"owner": "ann"}"#);
}

#[tokio::test]
async fn many_services_are_probed_at_the_same_time_and_kept_in_order() {
    let (_database, orchestrator) = orchestrator().await;
    let silent = Misbehaving::start(Behaviour::Answers(200, String::new())).await.unwrap();
    let names: Vec<String> = (0..16).map(|number| format!("s{number:02}")).collect();
    let registered =
        join_all(names.iter().map(|name| orchestrator.register_service(at_url(name, silent.url())))).await;
    assert!(registered.iter().all(|service| service.as_ref().unwrap().status == ServiceStatus::Active));
    silent.behave(Behaviour::Silent);
    let started = Instant::now();
    // On a task of its own, as servers do it.
    let probing = tokio::spawn(async move { orchestrator.probe_services().await });
    let probed = probing.await.unwrap().unwrap();
    // Two rounds of eight; one after the other they would take 32 seconds.
    assert!((2 * PROBE_TIMEOUT..8 * PROBE_TIMEOUT).contains(&started.elapsed()), "{:?}", started.elapsed());
    assert_eq!(silent.requests(), 32);
    assert!(probed.iter().all(|service| service.status == ServiceStatus::Failed));
    assert_eq!(probed.into_iter().map(|service| service.service_name).collect::<Vec<_>>(), names);
}

#[tokio::test]
async fn a_finding_about_what_was_replaced_meanwhile_is_not_written_down() {
    let (_database, orchestrator) = orchestrator().await;
    let silent = Misbehaving::start(Behaviour::Answers(200, String::new())).await.unwrap();
    let healthy = answering(200, "").await;
    orchestrator.register_service(at_url("web", silent.url())).await.unwrap();
    orchestrator.register_service(at_url("gone", silent.url())).await.unwrap();
    silent.behave(Behaviour::Silent);
    let change = async {
        // Both requests are under way.
        while silent.requests() < 4 {
            tokio::task::yield_now().await;
        }
        orchestrator.register_service(at_url("web", healthy.url())).await.unwrap();
        orchestrator.remove_service("gone", None).await.unwrap().unwrap();
    };
    let (probed, ()) = tokio::join!(orchestrator.probe_services(), change);
    let probed = probed.unwrap();
    assert_eq!(probed.iter().map(found).collect::<Vec<_>>(), [(ServiceStatus::Active, None)]);
    assert_eq!(orchestrator.list_services().await.unwrap(), probed);
}

#[tokio::test]
async fn services_of_other_machines_are_asked_there_and_never_here() {
    let (database, orchestrator) = orchestrator().await;
    // A name that leads here wherever tests run, and is no host name.
    let other = Node { node_name: "127.0.0.1".to_owned(), ..Node::this_machine() };
    orchestrator.register_node(&other).await.unwrap();
    let on = |node: &str, service: NewService| NewService { node: Some(node.to_owned()), ..service };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = orchestrator.register_service(on("127.0.0.1", at_port("db", port))).await.unwrap();
    assert_eq!((service.status, service.node_name.as_deref()), (ServiceStatus::Active, Some("127.0.0.1")));
    let url = format!("http://127.0.0.1:{port}/");
    let error = orchestrator.register_service(on("127.0.0.1", at_url("web", &url))).await.unwrap_err();
    assert!(matches!(error, Error::BadInput { what: "the health URL", .. }), "{error}");
    // Registered over there, it is not judged from here.
    let client = database.client().await.unwrap();
    let sql = "INSERT INTO services (service_name, node_id, health_url, status)
               SELECT 'web', id, $1, 'active' FROM system_nodes";
    client.execute(sql, &[&format!("http://127.0.0.1:{}/", dead_port())]).await.unwrap();
    let service = one(&orchestrator, "web").await;
    assert_eq!((service.status, service.checked_at), (ServiceStatus::Active, None));
    let error = orchestrator.register_service(on("nowhere", at_port("db", port))).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownNode(name) if name == "nowhere"), "{error}");
}

#[tokio::test]
async fn rows_of_other_programs_are_listed_and_probed_as_far_as_they_go() {
    let (database, orchestrator) = orchestrator().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = database.client().await.unwrap();
    let port = i32::from(listener.local_addr().unwrap().port());
    let sql = "INSERT INTO services (service_name, port, health_url, metadata)
               VALUES ('a', $1, NULL, '[1]'), ('b', NULL, NULL, '3'), ('c', NULL, 'no URL', '{}')";
    client.execute(sql, &[&port]).await.unwrap();
    let probed = orchestrator.probe_services().await.unwrap();
    let statuses: Vec<_> = probed.iter().map(|service| service.status).collect();
    assert_eq!(statuses, [ServiceStatus::Active, ServiceStatus::Unknown, ServiceStatus::Unknown]);
    assert!(probed.iter().all(|service| service.node_name.is_none()));
}

#[tokio::test]
async fn removing_needs_the_machine_only_where_several_have_such_a_service() {
    let (_database, orchestrator) = orchestrator().await;
    let this = Node::this_machine().node_name;
    let other = Node { node_name: "127.0.0.1".to_owned(), ..Node::this_machine() };
    orchestrator.register_node(&other).await.unwrap();
    for node in [None, Some("127.0.0.1".to_owned())] {
        orchestrator.register_service(NewService { node, ..at_port("db", dead_port()) }).await.unwrap();
    }
    assert_eq!(orchestrator.probe_service("db").await.unwrap().len(), 2);
    let error = orchestrator.remove_service("db", None).await.unwrap_err();
    assert!(matches!(&error, Error::AmbiguousService { nodes, .. } if nodes.contains(&this)), "{error}");
    assert!(error.hint().unwrap().contains("--node"));
    let removed = orchestrator.remove_service("db", Some("127.0.0.1")).await.unwrap().unwrap();
    assert_eq!(removed.node_name.as_deref(), Some("127.0.0.1"));
    assert_eq!(orchestrator.remove_service("db", Some("127.0.0.1")).await.unwrap(), None);
    assert_eq!(orchestrator.remove_service("db", None).await.unwrap().unwrap().node_name, Some(this));
    assert_eq!(orchestrator.remove_service("db", None).await.unwrap(), None);
    assert_eq!(orchestrator.probe_service("db").await.unwrap(), []);
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_registered() {
    let (_database, orchestrator) = orchestrator().await;
    let cases = [
        (NewService::named("web"), "neither a port nor a health URL"),
        (at_port("", 80), "it is empty"),
        (at_port("a\nb", 80), "control characters"),
        (at_port("web", 0), "1 to 65535"),
        (NewService { service_type: Some(" ".to_owned()), ..at_port("web", 80) }, "it is empty"),
        (at_url("web", "https://localhost/health"), "asks for TLS"),
        (at_url("web", "localhost:80"), "http://host:port/path"),
        (at_url("web", "http://ann:hunter2@localhost/"), "no user name, password"),
    ];
    for (service, why) in cases {
        let error = orchestrator.register_service(service).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }) && error.to_string().contains(why), "{error}");
        assert!(!error.to_string().contains("hunter2"));
    }
    assert_eq!(orchestrator.list_services().await.unwrap(), []);
    assert_eq!(orchestrator.list_nodes().await.unwrap(), []);
}
