use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_turbo_orchestrator::{NewTask, Orchestrator, Task, TaskId, TaskStatus};
use agent_turbo_test_support::TestDatabase;
use agent_turbo_worker::{Control, Error, Event, Options, Report, Summary, work};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// By when everything that is waited for must have happened.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A database, a folder that commands find as `$DIR`, and workers on both.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) dir: TempDir,
}

/// A worker at work.
pub(crate) struct Working {
    pub(crate) control: Control,
    pub(crate) reports: Arc<Mutex<Vec<Report>>>,
    handle: JoinHandle<Result<Summary, Error>>,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::migrated().await.unwrap();
        let db = database.connect(vec![]).await.unwrap();
        Self { database, orchestrator: Orchestrator::new(db), dir: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) async fn create(&self, description: &str) -> TaskId {
        self.create_as(NewTask::new(description)).await
    }

    pub(crate) async fn create_as(&self, new: NewTask) -> TaskId {
        self.orchestrator.create_task(new).await.unwrap().task.task_id
    }

    pub(crate) async fn task(&self, id: &TaskId) -> Task {
        self.orchestrator.get_task(id).await.unwrap().unwrap()
    }

    /// A worker that runs a shell script for each task, until none is ready.
    pub(crate) fn script(&self, script: &str) -> Options {
        self.command(&["sh", "-c", script])
    }

    pub(crate) fn command(&self, command: &[&str]) -> Options {
        Options {
            exit_when_empty: true,
            heartbeat: Duration::from_millis(50),
            kill_after: Duration::from_secs(5),
            env: vec![("DIR".into(), self.dir.path().into())],
            ..Options::new("executor", command.iter().map(|word| (*word).to_owned()).collect())
        }
    }

    pub(crate) fn start(&self, options: Options) -> Working {
        let (control, reports) = (Control::default(), Arc::new(Mutex::new(Vec::new())));
        let (orchestrator, told, noted) = (self.orchestrator.clone(), control.clone(), Arc::clone(&reports));
        let handle = tokio::spawn(async move {
            work(&orchestrator, options, &told, move |event| {
                if let Event::Finished(report) = event {
                    noted.lock().unwrap().push(report.clone());
                }
            })
            .await
        });
        Working { control, reports, handle }
    }

    /// Does what there is to do; the reports, as the tasks ended.
    pub(crate) async fn work(&self, options: Options) -> Vec<Report> {
        self.start(options).done().await.1
    }

    /// Does the one task there is.
    pub(crate) async fn work_on(&self, id: &TaskId, options: Options) -> (Report, Task) {
        // One that failed may be ready again before anybody looks.
        let options = Options { max_tasks: Some(1), ..options };
        let mut reports = self.work(options).await;
        assert_eq!(reports.len(), 1, "{reports:?}");
        let report = reports.remove(0);
        assert_eq!(&report.task_id, id);
        (report, self.task(id).await)
    }

    /// Numbers that a query counts, from outside.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.database.client().await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Sessions that have not ended.
    pub(crate) async fn open_sessions(&self) -> i64 {
        self.count("SELECT count(*) FROM agent_sessions WHERE status IN ('active', 'idle')").await
    }
}

impl Working {
    /// Waits for its end.
    pub(crate) async fn ended(self) -> (Result<Summary, Error>, Vec<Report>) {
        let outcome = timeout(SOON, self.handle).await.expect("the worker ends").unwrap();
        let reports = self.reports.lock().unwrap().clone();
        (outcome, reports)
    }

    pub(crate) async fn done(self) -> (Summary, Vec<Report>) {
        let (outcome, reports) = self.ended().await;
        (outcome.unwrap(), reports)
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition().await {
        assert!(Instant::now() < deadline, "still not so: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// What a command has written into a file, once it has written a line.
pub(crate) async fn written(file: &Path) -> String {
    until("the command has written", async || {
        std::fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n'))
    })
    .await;
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

/// Whether a process is there and not dead: one that nobody has collected yet is.
pub(crate) fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

pub(crate) async fn is_status(fixture: &Fixture, id: &TaskId, status: TaskStatus) -> bool {
    fixture.task(id).await.status == status
}
