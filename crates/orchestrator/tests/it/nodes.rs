//! Machines are known by their names, with the hardware that they have.

use agent_turbo_orchestrator::{Error, NewService, Node};

use crate::support::orchestrator;

#[tokio::test]
async fn this_machine_is_registered_once_with_its_real_hardware() {
    let (_database, orchestrator) = orchestrator().await;
    assert_eq!(orchestrator.count_nodes().await.unwrap(), 0);
    let machine = Node::this_machine();
    let first = orchestrator.register_node(&machine).await.unwrap();
    let second = orchestrator.register_node(&machine).await.unwrap();
    assert_eq!(orchestrator.count_nodes().await.unwrap(), 1);
    assert_eq!((&first.node, first.created_at), (&machine, second.created_at));
    assert!(second.last_seen > first.last_seen, "{second:?}");
    let stored = orchestrator.node_named(&machine.node_name).await.unwrap().unwrap();
    assert_eq!(stored, second);
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(stored.node.cpu_cores_total.unwrap() >= i32::try_from(cores).unwrap());
    assert!(stored.node.ram_gb.unwrap() > 0.1, "{stored:?}");
}

#[tokio::test]
async fn registering_again_brings_hardware_up_to_date_and_keeps_the_role_that_somebody_gave() {
    let (database, orchestrator) = orchestrator().await;
    let machine = Node { cpu_model: Some("an older one".to_owned()), ..Node::this_machine() };
    orchestrator.register_node(&machine).await.unwrap();
    let client = database.client().await.unwrap();
    client.execute("UPDATE system_nodes SET node_role = 'builder'", &[]).await.unwrap();
    let newer = Node { cpu_model: Some("a newer one".to_owned()), ..machine.clone() };
    let stored = orchestrator.register_node(&newer).await.unwrap().node;
    assert_eq!((stored.node_role.as_str(), stored.cpu_model.as_deref()), ("builder", Some("a newer one")));
    let stored = orchestrator.register_node_as(&newer, "runner").await.unwrap().node;
    assert_eq!(stored.node_role, "runner");
}

#[tokio::test]
async fn machines_are_listed_by_name_and_go_together_with_their_services() {
    let (_database, orchestrator) = orchestrator().await;
    for name in ["b", "a", "c"] {
        let node = Node { node_name: name.to_owned(), ..Node::this_machine() };
        orchestrator.register_node(&node).await.unwrap();
    }
    let names = async || {
        let nodes = orchestrator.list_nodes().await.unwrap();
        nodes.into_iter().map(|known| known.node.node_name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["a", "b", "c"]);
    for name in ["one", "two"] {
        // Nothing of that name can be asked: it is registered all the same.
        let service = NewService {
            node: Some("b".to_owned()),
            health_url: Some("http://nobody.invalid/".to_owned()),
            ..NewService::named(name)
        };
        orchestrator.register_service(service).await.unwrap();
    }
    let removed = orchestrator.remove_node("b").await.unwrap().unwrap();
    assert_eq!((removed.node.node.node_name.as_str(), removed.removed_services), ("b", 2));
    assert_eq!(names().await, ["a", "c"]);
    assert_eq!(orchestrator.list_services().await.unwrap(), []);
    assert_eq!(orchestrator.remove_node("b").await.unwrap(), None);
}

#[tokio::test]
async fn an_unknown_machine_is_no_error() {
    let (_database, orchestrator) = orchestrator().await;
    assert_eq!(orchestrator.node_named("nobody").await.unwrap(), None);
    assert_eq!(orchestrator.list_nodes().await.unwrap(), []);
}

#[tokio::test]
async fn names_that_are_none_are_refused_before_anything_is_written() {
    let (_database, orchestrator) = orchestrator().await;
    for name in ["", " ", "a\nb", "a\0b", " a", &"x".repeat(257)] {
        let node = Node { node_name: name.to_owned(), ..Node::this_machine() };
        let error = orchestrator.register_node(&node).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { what: "the machine's name", .. }), "{error}");
        let error = orchestrator.register_node_as(&Node::this_machine(), name).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { what: "the machine's role", .. }), "{error}");
    }
    assert_eq!(orchestrator.count_nodes().await.unwrap(), 0);
}
