use agent_turbo_db::{Event, Listener};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{Fixture, soon};

const CHANNELS: &[&str] = &["one", "Two words \u{e9}"];
const LISTENERS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'";

fn listen(fixture: &Fixture) -> (Listener, UnboundedReceiver<Event>) {
    let (sender, events) = unbounded_channel();
    let listener = fixture.db.listen(CHANNELS, move |event| {
        // The test may have heard enough.
        let _ = sender.send(event);
    });
    (listener, events)
}

async fn next(events: &mut UnboundedReceiver<Event>) -> Event {
    soon(events.recv()).await.expect("the listener goes on")
}

fn notification(channel: &str, payload: &impl ToString) -> Event {
    Event::Notification { channel: channel.to_owned(), payload: payload.to_string() }
}

#[tokio::test]
async fn it_is_live_first_and_then_hears_everything_in_order() {
    let fixture = Fixture::new().await;
    let (listener, mut events) = listen(&fixture);
    assert_eq!(next(&mut events).await, Event::Live);
    assert!(listener.is_live());
    fixture
        .observer
        .batch_execute("NOTIFY one; NOTIFY three; NOTIFY \"Two words \u{e9}\", 'x'")
        .await
        .unwrap();
    assert_eq!(next(&mut events).await, notification("one", &""));
    assert_eq!(next(&mut events).await, notification(CHANNELS[1], &"x"));
    // Far more than are kept between socket and handler.
    fixture
        .observer
        .batch_execute("SELECT pg_notify('one', n::text) FROM generate_series(1, 20000) n")
        .await
        .unwrap();
    for number in 1..=20_000 {
        assert_eq!(next(&mut events).await, notification("one", &number));
    }
}

#[tokio::test]
async fn a_broken_connection_is_told_and_replaced() {
    let fixture = Fixture::new().await;
    let (listener, mut events) = listen(&fixture);
    assert_eq!(next(&mut events).await, Event::Live);
    for round in 0..3 {
        fixture.terminate_all().await;
        assert_eq!(next(&mut events).await, Event::Lost);
        assert_eq!(next(&mut events).await, Event::Live);
        assert!(listener.is_live());
        fixture.observer.batch_execute(&format!("NOTIFY one, '{round}'")).await.unwrap();
        assert_eq!(next(&mut events).await, notification("one", &round));
    }
}

#[tokio::test]
async fn dropping_it_ends_its_connection() {
    let fixture = Fixture::new().await;
    let (listener, mut events) = listen(&fixture);
    assert_eq!(next(&mut events).await, Event::Live);
    assert_eq!(fixture.ask::<i64>(LISTENERS).await, 1);
    drop(listener);
    fixture.until(&LISTENERS.replace("count(*)", "count(*) = 0")).await;
    assert_eq!(soon(events.recv()).await, None);
}
