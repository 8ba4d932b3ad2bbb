//! Machines in a real database.

use agent_turbo_orchestrator::{Node, count_nodes, node_named, register_node};
use agent_turbo_test_support::TestDatabase;

#[tokio::test]
async fn this_machine_is_registered_once_with_its_real_hardware() {
    let database = TestDatabase::migrated().await.unwrap();
    let db = database.connect(vec![]).await.unwrap();
    assert_eq!(count_nodes(&db).await.unwrap(), 0);
    let machine = Node::this_machine();
    register_node(&db, &machine).await.unwrap();
    register_node(&db, &machine).await.unwrap();
    assert_eq!(count_nodes(&db).await.unwrap(), 1);
    let stored = node_named(&db, &machine.node_name).await.unwrap().unwrap();
    assert_eq!(stored, machine);
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(stored.cpu_cores_total.unwrap() >= i32::try_from(cores).unwrap());
    assert!(stored.ram_gb.unwrap() > 0.1, "{stored:?}");
}

#[tokio::test]
async fn registering_again_brings_hardware_up_to_date_and_keeps_the_role_that_somebody_gave() {
    let database = TestDatabase::migrated().await.unwrap();
    let db = database.connect(vec![]).await.unwrap();
    let machine = Node { cpu_model: Some("an older one".to_owned()), ..Node::this_machine() };
    register_node(&db, &machine).await.unwrap();
    let client = database.client().await.unwrap();
    client.execute("UPDATE system_nodes SET node_role = 'builder'", &[]).await.unwrap();
    register_node(&db, &Node { cpu_model: Some("a newer one".to_owned()), ..machine.clone() }).await.unwrap();
    let stored = node_named(&db, &machine.node_name).await.unwrap().unwrap();
    assert_eq!((stored.node_role.as_str(), stored.cpu_model.as_deref()), ("builder", Some("a newer one")));
}

#[tokio::test]
async fn an_unknown_machine_is_no_error() {
    let database = TestDatabase::migrated().await.unwrap();
    let db = database.connect(vec![]).await.unwrap();
    assert_eq!(node_named(&db, "nobody").await.unwrap(), None);
}
