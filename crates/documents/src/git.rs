use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a file stands for people, and in which state of its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its path in its repository; without one in the folder where the program runs; else the whole path.
    pub path: String,
    /// The commit that is checked out, if git is there and knows one.
    pub commit: Option<String>,
}

/// Finds files' repositories, and asks each of them once.
#[derive(Debug, Default)]
pub struct Places {
    here: Option<PathBuf>,
    /// By folder: the root of its repository.
    roots: HashMap<PathBuf, Option<PathBuf>>,
    commits: HashMap<PathBuf, Option<String>>,
}

impl Places {
    /// For a program that runs in the folder where it does.
    pub fn new() -> Self {
        let here = std::env::current_dir().and_then(std::fs::canonicalize).ok();
        Self { here, ..Self::default() }
    }

    /// Of a file by its whole path.
    pub fn of(&mut self, file: &Path) -> Place {
        let folder = file.parent().unwrap_or(file);
        let root = self.root_of(folder);
        let base = root.as_deref().or(self.here.as_deref());
        let path = base.and_then(|base| file.strip_prefix(base).ok()).unwrap_or(file);
        let path = path.to_string_lossy().into_owned();
        let commit =
            root.and_then(|root| self.commits.entry(root).or_insert_with_key(|root| head(root)).clone());
        Place { path, commit }
    }

    fn root_of(&mut self, folder: &Path) -> Option<PathBuf> {
        if let Some(root) = self.roots.get(folder) {
            return root.clone();
        }
        // A worktree has a file of that name.
        let root = folder.ancestors().find(|above| above.join(".git").exists()).map(Path::to_owned);
        self.roots.insert(folder.to_owned(), root.clone());
        root
    }
}

fn head(root: &Path) -> Option<String> {
    let asked = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
        // Hooks and wrappers of git set these, for another repository.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let commit = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
    (asked.status.success() && commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then_some(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(root: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let status =
            Command::new("git").arg("-C").arg(root).args(identity).args(arguments).output().unwrap().status;
        assert!(status.success(), "{arguments:?}");
    }

    #[test]
    fn a_file_is_placed_in_its_repository() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("docs")).unwrap();
        let file = root.join("docs/a.md");
        std::fs::write(&file, "a").unwrap();
        let outside = Places::new().of(&file);
        assert_eq!((outside.path.as_str(), outside.commit), (file.to_str().unwrap(), None));
        git(&root, &["init", "-q"]);
        let unborn = Places::new().of(&file);
        assert_eq!((unborn.path.as_str(), unborn.commit), ("docs/a.md", None));
        git(&root, &["add", "."]);
        git(&root, &["commit", "-q", "-m", "one"]);
        let commit = Places::new().of(&file).commit.unwrap();
        assert_eq!(commit.len(), 40);
    }
}
