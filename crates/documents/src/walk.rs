use std::collections::HashSet;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;

use crate::kind::is_generated;
use crate::{Error, Kind, Result, Skip};

/// Which names count, by patterns such as `*.md` or `docs/**`. A pattern without a slash is held against the file's
/// name, any other one against its path below the folder that was given.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    include: Option<GlobSet>,
    exclude: Option<GlobSet>,
}

/// A file that was found, or what is in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The whole path, without symbolic links.
    pub path: PathBuf,
    /// Its size when it was found, in bytes.
    pub bytes: u64,
    /// What it may hold, or why it is not taken.
    pub kind: std::result::Result<Kind, Skip>,
}

/// Everything that was found below what was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// What was given: whole paths without symbolic links.
    pub roots: Vec<PathBuf>,
    /// Files, each once, in the order of their names.
    pub files: Vec<Found>,
    /// Folders whose files could not be listed.
    pub unreadable: Vec<(PathBuf, Skip)>,
}

impl Globs {
    /// All files whose names fit one of `include` (or all, if there is none) and none of `exclude`.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Self { include: set(include)?, exclude: set(exclude)? })
    }

    /// Whether a file below `root` counts.
    pub fn allow(&self, root: &Path, file: &Path) -> bool {
        let below = file.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty());
        let below = below.or_else(|| file.file_name().map(Path::new)).unwrap_or(file);
        let fits = |set: &GlobSet| set.is_match(below);
        self.include.as_ref().is_none_or(fits) && !self.exclude.as_ref().is_some_and(fits)
    }
}

fn set(patterns: &[String]) -> Result<Option<GlobSet>> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let failed = |pattern: &str| {
        let pattern = pattern.to_owned();
        move |source| Error::Glob { pattern, source }
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let anywhere = if pattern.contains('/') { pattern.clone() } else { format!("**/{pattern}") };
        set.add(GlobBuilder::new(&anywhere).literal_separator(true).build().map_err(failed(pattern))?);
    }
    set.build().map(Some).map_err(failed(&patterns.join(" ")))
}

/// Finds the files below `paths`. Left out without a word are hidden ones, and what `.gitignore` and `.ignore` exclude;
/// a file that is given itself is always taken. Symbolic links are followed only where they are given themselves.
///
/// # Errors
/// When one of `paths` is not there.
pub fn walk(paths: &[PathBuf], globs: &Globs) -> Result<Walk> {
    let mut walk = Walk::default();
    let mut seen = HashSet::new();
    for path in paths {
        let failed = |source| Error::Path { path: path.clone(), source };
        let root = path.canonicalize().map_err(failed)?;
        if root.to_str().is_none() {
            return Err(Error::Name(root));
        }
        let metadata = root.metadata().map_err(failed)?;
        if metadata.is_dir() {
            below(&root, globs, &mut seen, &mut walk);
        } else if seen.insert(root.clone()) {
            let kind = if metadata.is_file() { Ok(Kind::of(&root)) } else { Err(Skip::NotAFile) };
            walk.files.push(Found { path: root.clone(), bytes: metadata.len(), kind });
        }
        walk.roots.push(root);
    }
    Ok(walk)
}

fn below(root: &Path, globs: &Globs, seen: &mut HashSet<PathBuf>, walk: &mut Walk) {
    // Rules of a repository hold for whoever has its files, with or without its history.
    let mut builder = WalkBuilder::new(root);
    builder.require_git(false).follow_links(false).sort_by_file_name(Ord::cmp);
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                walk.unreadable
                    .push((path_of(&error).unwrap_or_else(|| root.to_owned()), Skip::Unreadable { why }));
                continue;
            }
        };
        let Some(file_type) = entry.file_type() else { continue };
        let path = entry.path();
        if file_type.is_dir() || !globs.allow(root, path) || seen.contains(path) {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let kind = match name {
            _ if path.to_str().is_none() => Err(Skip::Name),
            _ if file_type.is_symlink() => Err(Skip::SymbolicLink),
            _ if !file_type.is_file() => Err(Skip::NotAFile),
            Some(name) if is_generated(name) => Err(Skip::Generated),
            _ => Ok(Kind::of(path)),
        };
        let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
        seen.insert(path.to_owned());
        walk.files.push(Found { path: path.to_owned(), bytes, kind });
    }
}

fn path_of(error: &ignore::Error) -> Option<PathBuf> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(walk: &Walk) -> Vec<String> {
        let name =
            |found: &Found| found.path.strip_prefix(&walk.roots[0]).unwrap().to_string_lossy().into_owned();
        walk.files.iter().filter(|found| found.kind.is_ok()).map(name).collect()
    }

    #[test]
    fn hidden_and_ignored_files_and_links_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["docs/deep", ".git", "target", ".hidden"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for file in [
            "docs/a.md",
            "docs/deep/b.md",
            ".git/config",
            "target/c.md",
            ".hidden/d.md",
            "e.log",
            "Cargo.lock",
        ] {
            fs::write(dir.path().join(file), "x").unwrap();
        }
        fs::write(dir.path().join(".gitignore"), "target/\n*.log\n").unwrap();
        symlink("..", dir.path().join("docs/loop")).unwrap();
        let found = walk(&[dir.path().to_owned()], &Globs::default()).unwrap();
        assert_eq!(names(&found), ["docs/a.md", "docs/deep/b.md"]);
        let skipped: Vec<_> = found.files.iter().filter_map(|found| found.kind.clone().err()).collect();
        assert_eq!(skipped, [Skip::Generated, Skip::SymbolicLink]);
        assert!(found.unreadable.is_empty());
    }

    #[test]
    fn what_is_given_twice_is_found_once_and_ignored_files_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".gitignore"), "*.log\n").unwrap();
        fs::write(dir.path().join("a.log"), "x").unwrap();
        fs::write(dir.path().join("b.txt"), "x").unwrap();
        let paths = [
            dir.path().to_owned(),
            dir.path().join("a.log"),
            dir.path().join("./b.txt"),
            dir.path().to_owned(),
        ];
        assert_eq!(names(&walk(&paths, &Globs::default()).unwrap()), ["b.txt", "a.log"]);
        let missing = walk(&[dir.path().join("missing")], &Globs::default());
        assert!(matches!(missing, Err(Error::Path { .. })));
    }

    #[test]
    fn patterns_narrow_what_is_found() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("docs")).unwrap();
        for file in ["a.md", "docs/b.md", "docs/c.txt"] {
            fs::write(dir.path().join(file), "x").unwrap();
        }
        let found = |include: &[&str], exclude: &[&str]| {
            let owned =
                |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>();
            let globs = Globs::new(&owned(include), &owned(exclude)).unwrap();
            names(&walk(&[dir.path().to_owned()], &globs).unwrap())
        };
        assert_eq!(found(&["*.md"], &[]), ["a.md", "docs/b.md"]);
        assert_eq!(found(&[], &["docs/**"]), ["a.md"]);
        assert_eq!(found(&["*.md", "*.txt"], &["c.*"]), ["a.md", "docs/b.md"]);
        assert!(matches!(Globs::new(&["[".to_owned()], &[]), Err(Error::Glob { .. })));
    }

    #[test]
    fn a_name_that_is_no_text_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"a\xff.md")), "x").unwrap();
        let found = walk(&[dir.path().to_owned()], &Globs::default()).unwrap();
        assert_eq!(found.files[0].kind, Err(Skip::Name));
    }
}
