//! Machines, and the services on them that answer or do not.

use agent_turbo_test_support::{Behaviour, Misbehaving};
use serde_json::{Value, json};

use crate::support::{Fixture, Ran, dead_port, members};

const NODE: [&str; 10] = [
    "cpu_cores_total",
    "cpu_model",
    "created_at",
    "gpu_model",
    "last_seen",
    "model_name",
    "node_name",
    "node_role",
    "ram_gb",
    "storage_internal_tb",
];

const SERVICE: [&str; 9] = [
    "checked_at",
    "created_at",
    "health_url",
    "last_error",
    "node_name",
    "port",
    "service_name",
    "service_type",
    "status",
];

async fn answering(status: u16) -> Misbehaving {
    Misbehaving::start(Behaviour::Answers(status, "{}".to_owned())).await.unwrap()
}

/// Names and statuses of what `service list` or `service check` printed.
fn statuses(ran: &Ran) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let text = |service: &Value, name: &str| service[name].as_str().unwrap().to_owned();
    let services = document["services"].as_array().unwrap().iter();
    services.map(|service| (text(service, "service_name"), text(service, "status"))).collect()
}

#[tokio::test]
async fn this_machine_is_registered_listed_shown_and_removed() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.run(&["node", "list"]).await.done(), "No machine is registered.\n");
    let registered = fixture.json(&["node", "register", "--role", "builder"]).await;
    assert_eq!((members(&registered), &registered["node_role"]), (NODE.to_vec(), &json!("builder")));
    let name = registered["node_name"].as_str().unwrap();
    let again = fixture.run(&["node", "register"]).await;
    assert_eq!(again.done(), format!("✅ Registered machine: {name} (builder)\n"));
    fixture.run(&["node", "register", "--name", "a-second-name"]).await.done();

    let list = fixture.json(&["node", "list"]).await;
    assert_eq!((members(&list), list["nodes"].as_array().unwrap().len()), (vec!["nodes"], 2));
    assert_eq!(members(&list["nodes"][0]), NODE);
    let list = fixture.run(&["node", "list"]).await;
    for part in ["Machine", "Last seen", name, "builder", "a-second-name", "workstation"] {
        assert!(list.done().contains(part), "{part}: {list:?}");
    }
    let shown = fixture.json(&["node", "show", name]).await;
    assert_eq!((members(&shown), &shown["created_at"]), (NODE.to_vec(), &registered["created_at"]));
    let shown = fixture.run(&["node", "show", name]).await;
    for part in [name, "builder · registered ", "Cores ", "Memory "] {
        assert!(shown.done().contains(part), "{part}: {shown:?}");
    }

    let port = dead_port().to_string();
    fixture.run(&["service", "register", "db", "--port", &port]).await.done();
    let removed = fixture.run(&["node", "remove", name]).await;
    assert_eq!(removed.done(), format!("✅ Removed machine: {name}\n   And its service\n"));
    assert_eq!(fixture.run(&["service", "list"]).await.done(), "No service is registered.\n");
    let removed = fixture.json(&["node", "remove", "a-second-name"]).await;
    assert_eq!(removed["removed_services"], 0);
}

#[tokio::test]
async fn services_are_what_they_answer() {
    let fixture = Fixture::new().await;
    let (healthy, broken) = (answering(200).await, answering(500).await);
    let silent = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let listening = healthy.url().rsplit_once(':').unwrap().1;
    let closed = dead_port().to_string();
    let register = async |arguments: &[&str]| {
        let service = fixture.json(&[&["service", "register"], arguments].concat()).await;
        assert_eq!(members(&service), SERVICE);
        (service["status"].as_str().unwrap().to_owned(), service["last_error"].clone())
    };
    let active = ("active".to_owned(), Value::Null);
    let health = format!("{}/health", healthy.url());
    assert_eq!(register(&["a", "--health", &health, "--type", "api", "--port", listening]).await, active);
    assert_eq!(register(&["b", "--port", listening]).await, active);
    let answered = json!("it answered 500 Internal Server Error");
    assert_eq!(register(&["c", "--health", broken.url()]).await, ("failed".to_owned(), answered));
    let late = json!("it did not answer within 2s");
    assert_eq!(register(&["d", "--health", silent.url()]).await, ("failed".to_owned(), late));
    let refused = json!("nobody listens there: connection refused");
    assert_eq!(register(&["e", "--port", &closed]).await, ("inactive".to_owned(), refused));

    let list = fixture.run(&["service", "list", "--json"]).await;
    list.done();
    let word = |name: &str, status: &str| (name.to_owned(), status.to_owned());
    let mut expected = vec![
        word("a", "active"),
        word("b", "active"),
        word("c", "failed"),
        word("d", "failed"),
        word("e", "inactive"),
    ];
    assert_eq!(statuses(&list), expected);
    assert_eq!(members(&list.json()["services"][0]), SERVICE);
    let list = fixture.run(&["service", "list"]).await;
    for part in ["Service", "Asked at", &health, &format!("port {closed}"), "c: it answered 500", "api"] {
        assert!(list.done().contains(part), "{part}: {list:?}");
    }

    // Everything changes; the list says so only after somebody has looked.
    healthy.behave(Behaviour::Answers(503, String::new()));
    broken.behave(Behaviour::Answers(204, String::new()));
    let check = fixture.run(&["service", "check", "--json"]).await;
    expected[0].1 = "failed".to_owned();
    expected[2].1 = "active".to_owned();
    assert_eq!((check.code, check.stderr.as_str()), (Some(1), ""), "{check:?}");
    assert_eq!(statuses(&check), expected);
    let check = fixture.run(&["service", "check", "c"]).await;
    assert!(check.done().contains("active") && !check.stdout.contains("it answered"), "{check:?}");

    let removed = fixture.run(&["service", "remove", "e"]).await;
    assert_eq!(removed.done(), "✅ Removed service: e\n");
    expected.truncate(4);
    assert_eq!(statuses(&fixture.run(&["service", "list", "--json"]).await), expected);
}

#[tokio::test]
async fn people_are_told_at_once_what_a_service_answered() {
    let fixture = Fixture::new().await;
    let (healthy, port) = (answering(200).await, dead_port().to_string());
    let ran = fixture.run(&["service", "register", "web", "--health", healthy.url()]).await;
    assert_eq!(ran.done(), "✅ Registered service: web (active)\n");
    let ran = fixture.run(&["service", "register", "db", "--port", &port]).await;
    let told = "⚠️  Registered service: db (inactive)\n   nobody listens there: connection refused\n";
    assert_eq!(ran.done(), told);
}

#[tokio::test]
async fn machines_and_services_that_are_not_there_have_their_own_exit_code() {
    let fixture = Fixture::new().await;
    for (arguments, what) in [
        (&["node", "show", "nobody"][..], "machine"),
        (&["node", "remove", "nobody"], "machine"),
        (&["service", "check", "nobody"], "service"),
        (&["service", "remove", "nobody"], "service"),
        (&["service", "remove", "nobody", "--node", "nowhere"], "service"),
    ] {
        let ran = fixture.run(arguments).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), ""), "{ran:?}");
        assert_eq!(ran.stdout, format!("No {what} nobody is registered.\n"));
        let ran = fixture.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(3), "null\n", ""), "{ran:?}");
    }
    let ran = fixture.run(&["service", "register", "x", "--port", "1", "--node", "nowhere"]).await;
    ran.failed(3, &["find the machine \"nowhere\"", "agent-turbo node list"]);
    assert_eq!(fixture.json(&["service", "check"]).await, json!({ "services": [] }));
}

#[tokio::test]
async fn services_that_nobody_could_ask_are_refused() {
    let fixture = Fixture::new().await;
    let cases: [(&[&str], &[&str]); 7] = [
        (&["x"], &["accept the service", "neither a port nor a health URL"]),
        (&["x", "--health", "https://localhost/"], &["accept the health URL", "TLS"]),
        (&["x", "--health", "localhost:80"], &["accept the health URL", "http://host:port/path"]),
        (&["x", "--health", "http://ann:hunter2@localhost/"], &["no user name, password"]),
        (&["", "--port", "1"], &["accept the service's name", "empty"]),
        (&["x\n", "--port", "1"], &["accept the service's name", "control"]),
        (&["x", "--port", "1", "--type", " "], &["accept the service's type", "empty"]),
    ];
    for (arguments, names) in cases {
        let ran = fixture.run(&[&["service", "register"], arguments].concat()).await;
        assert!(!ran.failed(2, names).contains("hunter2"), "{ran:?}");
    }
    for arguments in [&["x", "--port", "0"][..], &["x", "--port", "65536"], &["--port", "1"]] {
        let ran = fixture.run(&[&["service", "register"], arguments].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    }
    fixture.run(&["node", "register", "--role", " "]).await.failed(2, &["accept the machine's role"]);
    assert_eq!(fixture.run(&["service", "list"]).await.done(), "No service is registered.\n");
    assert_eq!(fixture.run(&["node", "list"]).await.done(), "No machine is registered.\n");
}

#[tokio::test]
async fn a_service_on_several_machines_is_removed_where_it_is_said_to_be() {
    let fixture = Fixture::new().await;
    // A name that leads here wherever tests run, and is no host name.
    fixture.run(&["node", "register", "--name", "127.0.0.1"]).await.done();
    let port = dead_port().to_string();
    fixture.run(&["service", "register", "db", "--port", &port]).await.done();
    fixture.run(&["service", "register", "db", "--port", &port, "--node", "127.0.0.1"]).await.done();
    let ran = fixture.run(&["service", "remove", "db"]).await;
    ran.failed(2, &["tell which service \"db\" means", "127.0.0.1", "--node"]);
    fixture.run(&["service", "remove", "db", "--node", "127.0.0.1"]).await.done();
    fixture.run(&["service", "remove", "db"]).await.done();
}
