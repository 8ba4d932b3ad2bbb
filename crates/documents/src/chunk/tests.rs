use proptest::prelude::*;

use super::*;
use crate::Language;

fn headings(chunks: &[Chunk]) -> Vec<&str> {
    chunks.iter().map(|chunk| chunk.heading.as_deref().unwrap_or("")).collect()
}

fn places(chunks: &[Chunk]) -> Vec<(u32, u32)> {
    chunks.iter().map(|chunk| (chunk.first_line, chunk.last_line)).collect()
}

#[test]
fn markdown_is_split_at_headings_and_keeps_their_path() {
    let text = "Before.\n\n# Guide\n\n## Install\n\nRun it.\n\n```sh\n# not a heading\n```\n\n## Use\n\nAsk.\n\nOther\n=====\n\nEnd.\n";
    let chunks = chunks(text, Kind::Markdown, 1000);
    assert_eq!(headings(&chunks), ["", "Guide > Install", "Guide > Use", "Other"]);
    assert_eq!(places(&chunks), [(1, 1), (3, 11), (13, 15), (17, 20)]);
    assert!(chunks[1].content().starts_with("# Guide\n\n## Install\n\nRun it."));
    assert_eq!(chunks[2].content(), "Guide\n\n## Use\n\nAsk.");
    assert_eq!(chunks[2].text(), "## Use\n\nAsk.");
}

#[test]
fn front_matter_and_headings_in_quotes_are_no_headings() {
    let text = "---\ntitle: x\n---\n\n# A\n\n> # quoted\n\ntext\n";
    assert_eq!(headings(&chunks(text, Kind::Markdown, 1000)), ["", "A"]);
}

#[test]
fn a_long_section_goes_on_under_its_whole_heading() {
    let paragraph = "word ".repeat(30);
    let text = format!("# A\n\n## B\n\n{paragraph}\n\n{paragraph}\n\n{paragraph}\n");
    let chunks = chunks(&text, Kind::Markdown, 200);
    assert_eq!(headings(&chunks), ["A > B"; 3]);
    assert!(chunks[1].content().starts_with("A > B\n\nword"), "{chunks:?}");
}

#[test]
fn code_is_split_at_definitions_and_large_types_at_their_members() {
    let body = "        let x = 1;\n".repeat(12);
    let text = format!(
        "//! Module.\n\nuse a;\nuse b;\n\n/// Doc.\n#[inline]\nfn one() {{}}\n\nstruct S;\n\nimpl S {{\n    /// Two.\n    fn two() {{\n{body}    }}\n\n    fn three() {{\n{body}    }}\n}}\n"
    );
    let chunks = chunks(&text, Kind::Code(Language::Rust), 600);
    assert_eq!(headings(&chunks), ["", "one", "S", "impl S", "impl S > two", "impl S > three"]);
    assert_eq!(places(&chunks)[..4], [(1, 4), (6, 8), (10, 10), (12, 12)]);
    assert_eq!(chunks[4].first_line, 13);
    assert!(chunks[4].content().starts_with("impl S\n\n"), "{chunks:?}");
    assert!(chunks[1].text().starts_with("/// Doc."), "{chunks:?}");
}

#[test]
fn every_grammar_finds_a_function_by_its_name() {
    let sources = [
        (Language::C, "#include <a.h>\nstatic int *find(int x) { return 0; }\n"),
        (Language::Cpp, "namespace n {}\ntemplate <class T> int find(T x) { return 0; }\n"),
        (Language::Go, "package p\n\nfunc find(x int) int { return 0 }\n"),
        (Language::Java, "class A {}\nclass find { int x() { return 0; } }\n"),
        (Language::JavaScript, "import x from 'x';\nexport const find = () => 0;\n"),
        (Language::Python, "import x\n\n@cached\ndef find(x):\n    return 0\n"),
        (Language::Rust, "use x;\nfn find() {}\n"),
        (Language::Tsx, "const x = 1;\nfunction find() { return <b>1</b>; }\n"),
        (Language::TypeScript, "const x = 1;\nexport function find(x: number): number { return 0; }\n"),
    ];
    for (language, source) in sources {
        let chunks = chunks(source, Kind::Code(language), 1000);
        assert!(
            chunks.iter().any(|chunk| chunk.heading.as_deref() == Some("find")),
            "{language:?} {chunks:?}"
        );
    }
}

#[test]
fn a_line_of_ten_megabytes_is_split_at_spaces_and_in_words() {
    let text = format!("{}{}", "word ".repeat(1_000_000), "ä".repeat(2_500_000));
    let chunks = chunks(&text, Kind::Text, 1000);
    assert!(chunks.iter().all(|chunk| chunk.text().chars().count() <= 1000 && chunk.first_line == 1));
    let letters: usize =
        chunks.iter().map(|chunk| chunk.text().chars().filter(|c| !c.is_whitespace()).count()).sum();
    assert_eq!(letters, 4_000_000 + 2_500_000);
}

#[test]
fn definitions_in_each_other_without_end_do_not_exhaust_the_stack() {
    for deep in
        ["mod a {\n".repeat(20_000), "((((".repeat(50_000), "class A:\n ".repeat(10_000), "> ".repeat(50_000)]
    {
        for kind in [Kind::Code(Language::Rust), Kind::Code(Language::Python), Kind::Markdown] {
            assert!(!chunks(&deep, kind, 1000).is_empty());
        }
    }
}

/// Text that looks like anything that is split.
fn anything() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "\\PC{0,40}",
        Just("\n".to_owned()),
        Just("\n\n".to_owned()),
        Just("\n# ".to_owned()),
        Just("\n## ".to_owned()),
        Just("\n```\n".to_owned()),
        Just("\n---\n".to_owned()),
        Just("fn a() {\n".to_owned()),
        Just("}\n".to_owned()),
        Just("class B:\n    def c(self):\n".to_owned()),
        Just("/* ".to_owned()),
        "[a-zäß ]{150,400}",
    ];
    proptest::collection::vec(part, 0..30).prop_map(|parts| parts.concat().replace('\r', ""))
}

proptest! {
    #[test]
    fn every_line_is_in_one_chunk_or_blank(text in anything(), kind in prop_oneof![
        Just(Kind::Markdown), Just(Kind::Text), Just(Kind::Code(Language::Rust)), Just(Kind::Code(Language::Python)),
        Just(Kind::Code(Language::TypeScript)), Just(Kind::Code(Language::C))
    ], chars in 100usize..300) {
        let chunks = chunks(&text, kind, chars);
        let mut next = 1;
        for chunk in &chunks {
            prop_assert!(chunk.text().chars().count() <= chars && !chunk.text().trim().is_empty());
            prop_assert!(chunk.content().chars().count() <= chars + MAX_PATH + 3);
            prop_assert!(chunk.first_line <= chunk.last_line);
            // Parts of one long line follow each other in it.
            prop_assert!(chunk.first_line >= next || (chunk.first_line == chunk.last_line && chunk.first_line + 1 == next));
            next = chunk.last_line + 1;
        }
        for (number, line) in (1..).zip(text.split('\n')) {
            let holders = chunks.iter().filter(|chunk| (chunk.first_line..=chunk.last_line).contains(&number));
            let holders: Vec<&Chunk> = holders.collect();
            if line.trim().is_empty() {
                continue;
            }
            let words = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect::<String>();
            let held: String = holders.iter().map(|chunk| words(chunk.text())).collect();
            prop_assert!(held.contains(&words(line)), "{number} {line:?} {chunks:?}");
            prop_assert!(holders.len() == 1 || line.trim().chars().count() > chars * 3 / 4, "{number} {chunks:?}");
        }
    }
}
