use std::time::Duration;

use crate::soak::proxy::{Proxy, Way};

pub(super) async fn take(proxy: &Proxy, way: Way, ms: u64) {
    proxy.make(way);
    tokio::time::sleep(Duration::from_millis(ms)).await;
    proxy.make(Way::Open);
}
