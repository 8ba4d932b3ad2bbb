//! Fetching one pinned package with pip, the package index's ordinary client.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::Error;
use crate::{logs, process};

/// A download that takes longer is given up.
const LIMIT: Duration = Duration::from_mins(10);

/// Downloads `package==version`, alone and as a wheel, into the folder `into`.
pub(crate) fn download(package: &'static str, version: &'static str, into: &Path) -> Result<(), Error> {
    let no_pip = |reason: String| Error::NoPip { package, version, reason };
    let failed = |reason: String| Error::Download { package, version, reason };
    let mut complaint = "there is neither `python3` nor `python`".to_owned();
    for python in ["python3", "python"] {
        let mut check = Command::new(python);
        match check.args(["-m", "pip", "--version"]).current_dir("/").stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                complaint = format!("`{python} -m pip` does not work: {}", logs::last_lines(&output.stderr));
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                complaint = format!("`{python}` does not run: {error}");
                continue;
            }
        }
        let log = into.join("pip.log");
        let output = File::create(&log).map_err(Error::io("write", &log))?;
        let errors = output.try_clone().map_err(Error::io("write", &log))?;
        let mut command = Command::new(python);
        command
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"])
            .args(["--disable-pip-version-check", "--progress-bar", "off", "-d"])
            .arg(into)
            .arg(format!("{package}=={version}"))
            // pip keeps its own half-made files where this points to; they go with the folder.
            .env("TMPDIR", into)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        tracing::debug!(package, version, python, "downloading with pip");
        let mut child = command.spawn().map_err(|error| no_pip(error.to_string()))?;
        let mut ended = None;
        process::wait_until(LIMIT, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some()
        });
        let said = || logs::tail(&log, 0);
        return match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(failed(format!("{status}\n{}", said()))),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(failed(format!("it was not done after {} s\n{}", LIMIT.as_secs(), said())))
            }
        };
    }
    Err(no_pip(complaint))
}
