use std::path::Path;

/// What a file's name says that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Markdown: split by its headings.
    Markdown,
    /// Source code in a language whose grammar is known: split by its definitions.
    Code(Language),
    /// Any other text: split by its paragraphs.
    Text,
    /// One JSON object a line: each is an entry.
    JsonLines,
    /// A PDF's text: split by its pages.
    Pdf,
}

/// A language whose grammar is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are their names")]
pub enum Language {
    C,
    Cpp,
    Go,
    Java,
    JavaScript,
    Python,
    Rust,
    Tsx,
    TypeScript,
}

impl Kind {
    /// By the file's extension; what is unknown is text until its bytes say otherwise.
    pub fn of(path: &Path) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" | "mdown" | "mkd" | "mdx" => Self::Markdown,
            "jsonl" | "ndjson" => Self::JsonLines,
            "pdf" => Self::Pdf,
            "c" | "h" => Self::Code(Language::C),
            "cc" | "cpp" | "cxx" | "hpp" | "hh" | "hxx" => Self::Code(Language::Cpp),
            "go" => Self::Code(Language::Go),
            "java" => Self::Code(Language::Java),
            "js" | "mjs" | "cjs" | "jsx" => Self::Code(Language::JavaScript),
            "py" | "pyi" => Self::Code(Language::Python),
            "rs" => Self::Code(Language::Rust),
            "tsx" => Self::Code(Language::Tsx),
            "ts" | "mts" | "cts" => Self::Code(Language::TypeScript),
            _ => Self::Text,
        }
    }

    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Code(_) => "code",
            Self::Text => "text",
            Self::JsonLines => "json lines",
            Self::Pdf => "pdf",
        }
    }
}

/// Whether a tool wrote a file of this name for itself.
pub(crate) fn is_generated(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "Cargo.lock",
        "Gemfile.lock",
        "Pipfile.lock",
        "composer.lock",
        "go.sum",
        "npm-shrinkwrap.json",
        "package-lock.json",
        "pnpm-lock.yaml",
        "poetry.lock",
        "uv.lock",
        "yarn.lock",
    ];
    const ENDINGS: [&str; 4] = [".min.js", ".min.css", ".js.map", ".css.map"];
    NAMES.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_known() {
        let kind = |name: &str| Kind::of(Path::new(name));
        assert_eq!(kind("docs/Guide.MD"), Kind::Markdown);
        assert_eq!(kind("a.rs"), Kind::Code(Language::Rust));
        assert_eq!(kind("export.jsonl"), Kind::JsonLines);
        assert_eq!((kind("LICENSE"), kind("a.toml")), (Kind::Text, Kind::Text));
        assert!(is_generated("Cargo.lock") && is_generated("app.min.js") && !is_generated("lock.rs"));
    }
}
