use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use crate::soak::world::{World, signal};

/// All of it at once, as a power failure would; then the stack's own start, which recovers.
pub(super) async fn kill(world: &World, down: Duration) -> Result<()> {
    signal(&world.stopped_server().await?, Signal::KILL);
    tokio::time::sleep(down).await;
    world.restart_postgres().await
}

pub(super) async fn pause(world: &World, time: Duration) -> Result<()> {
    /// Also when the soak is given up meanwhile: a stopped server cannot be shut down.
    struct Stopped(Vec<rustix::process::Pid>);
    impl Drop for Stopped {
        fn drop(&mut self) {
            signal(&self.0, Signal::CONT);
        }
    }
    let _stopped = Stopped(world.stopped_server().await?);
    tokio::time::sleep(time).await;
    Ok(())
}
