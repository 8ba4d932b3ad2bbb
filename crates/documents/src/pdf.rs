use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use lopdf::Document;

use crate::Skip;

/// What one page's streams may grow to when they are unpacked, and what all pages' text may come to, in bytes.
const MAX_PAGE_BYTES: usize = 32 << 20;
const MAX_TEXT_BYTES: usize = 32 << 20;

/// Stands on a line of its own before each page but the first.
pub(crate) const PAGE_BREAK: char = '\x0c';

thread_local! {
    static IS_READING: Cell<bool> = const { Cell::new(false) };
}

/// The text of a PDF's pages. Pages that hold none, such as scanned ones, are empty.
///
/// # Errors
/// [`Skip::Damaged`], also when the reader panics: the bytes are anybody's.
pub(crate) fn text(bytes: &[u8]) -> Result<String, Skip> {
    be_quiet();
    IS_READING.set(true);
    let read = catch_unwind(AssertUnwindSafe(|| pages(bytes)));
    IS_READING.set(false);
    let pages = read.unwrap_or_else(|_| Err("it makes no sense".to_owned()));
    pages.map_err(|why| Skip::Damaged { why })
}

fn pages(bytes: &[u8]) -> Result<String, String> {
    let document = Document::load_mem(bytes).map_err(|error| error.to_string())?;
    if document.is_encrypted() {
        return Err("it is encrypted".to_owned());
    }
    let mut text = String::new();
    let mut failed = None;
    for (number, page) in (0..).zip(document.get_pages().into_keys()) {
        if number > 0 {
            text.push('\n');
            text.push(PAGE_BREAK);
            text.push('\n');
        }
        match document.extract_text_with_limit(&[page], MAX_PAGE_BYTES) {
            // A break in a page is no page, and PostgreSQL cannot store NUL.
            Ok(page) => text.push_str(page.replace([PAGE_BREAK, '\0'], " ").trim_end()),
            Err(error) => failed = Some(error.to_string()),
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(format!("its text has more than {MAX_TEXT_BYTES} bytes"));
        }
    }
    match failed {
        Some(why) if text.trim().is_empty() => Err(why),
        _ => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
    }
}

/// A panic that is caught is nothing to tell on stderr.
fn be_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IS_READING.get() {
                usual(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use lopdf::content::{Content, Operation};
    use lopdf::{Object, Stream, dictionary};
    use proptest::prelude::*;

    use super::*;
    use crate::{Kind, chunks};

    fn pdf(pages: &[&str]) -> Vec<u8> {
        let mut document = Document::with_version("1.5");
        let parent = document.new_object_id();
        let font = document.add_object(dictionary! {
            "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier", "Encoding" => "WinAnsiEncoding",
        });
        let resources = document.add_object(dictionary! { "Font" => dictionary! { "F1" => font } });
        let mut kids: Vec<Object> = Vec::new();
        for page in pages {
            let operations = vec![
                Operation::new("BT", vec![]),
                Operation::new("Tf", vec!["F1".into(), 12.into()]),
                Operation::new("Td", vec![100.into(), 600.into()]),
                Operation::new("Tj", vec![Object::string_literal(*page)]),
                Operation::new("ET", vec![]),
            ];
            let stream = Stream::new(dictionary! {}, Content { operations }.encode().unwrap());
            let contents = document.add_object(stream);
            kids.push(
                document
                    .add_object(dictionary! {
                        "Type" => "Page", "Parent" => parent, "Contents" => contents, "Resources" => resources,
                    })
                    .into(),
            );
        }
        let count = Object::Integer(i64::try_from(pages.len()).unwrap());
        document
            .objects
            .insert(parent, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count }.into());
        let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => parent });
        document.trailer.set("Root", catalog);
        document.compress();
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn each_page_is_a_section() {
        let text = text(&pdf(&["Leases end.", "", "Retries pause."])).unwrap();
        let chunks = chunks(&text, Kind::Pdf, 1000);
        let found: Vec<_> =
            chunks.iter().map(|chunk| (chunk.heading.as_deref(), chunk.text().trim())).collect();
        assert_eq!(found, [(Some("Page 1"), "Leases end."), (Some("Page 3"), "Retries pause.")]);
    }

    #[test]
    fn what_is_no_pdf_is_damaged() {
        for bytes in [&b""[..], b"%PDF-1.7", b"%PDF-1.4\n1 0 obj\n<<\n", &[0xff; 100]] {
            assert!(matches!(text(bytes), Err(Skip::Damaged { .. })), "{bytes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_pdf_with_wrong_bytes_is_read_or_damaged(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..20),
            end in any::<proptest::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut bytes = pdf(&["Leases end.", "Retries pause."]);
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            let read = text(&bytes);
            let is_told = matches!(read, Ok(_) | Err(Skip::Damaged { .. }));
            prop_assert!(is_told);
        }
    }
}
