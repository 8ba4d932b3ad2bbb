use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use crate::Skip;

/// Control characters that texts hold, among a thousand characters, at the most.
const MAX_CONTROLS_PER_MILLE: usize = 20;

/// The text that bytes stand for, with `\n` as its line ends and without a byte-order mark.
///
/// A byte-order mark decides; else it is UTF-8 if it can be; else the encoding is guessed as browsers do, and bytes that
/// are no text in it are binary. So are texts with NUL, which PostgreSQL cannot store.
///
/// # Errors
/// [`Skip::Binary`].
pub fn decode(bytes: Vec<u8>) -> Result<String, Skip> {
    let text = match Encoding::for_bom(&bytes) {
        Some((encoding, _)) => {
            let (text, _, malformed) = encoding.decode(&bytes);
            if malformed {
                return Err(Skip::Binary);
            }
            text.into_owned()
        }
        None if bytes.contains(&0) => return Err(Skip::Binary),
        None => match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => guess(error.as_bytes())?,
        },
    };
    if text.contains('\0') {
        return Err(Skip::Binary);
    }
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

fn guess(bytes: &[u8]) -> Result<String, Skip> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let encoding = detector.guess(None, Utf8Detection::Deny);
    let (text, malformed) = encoding.decode_without_bom_handling(bytes);
    let is_odd =
        |character: &char| character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\x0c');
    let odd = text.chars().filter(is_odd).count();
    let characters = text.chars().count().max(1);
    if malformed || odd * 1000 > characters * MAX_CONTROLS_PER_MILLE {
        return Err(Skip::Binary);
    }
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodings_are_told_apart() {
        let utf16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain("Grüße\r\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(decode(utf16).unwrap(), "Grüße\n");
        assert_eq!(decode(b"\xef\xbb\xbfa\rb".to_vec()).unwrap(), "a\nb");
        let latin = b"Stra\xdfe und Gr\xfc\xdfe, sch\xf6n".to_vec();
        assert_eq!(decode(latin).unwrap(), "Straße und Grüße, schön");
        let (japanese, ..) =
            encoding_rs::SHIFT_JIS.encode("これは日本語の文章です。文字コードを判定します。");
        assert_eq!(
            decode(japanese.into_owned()).unwrap(),
            "これは日本語の文章です。文字コードを判定します。"
        );
    }

    #[test]
    fn what_is_no_text_is_binary() {
        for bytes in
            [&b"\x7fELF\x02\x01\x01\0\0"[..], b"a\0b", b"\xff\xfea", &[0x81, 0x8d, 0x90, 3, 4, 5, 6, 0xff]]
        {
            assert_eq!(decode(bytes.to_vec()), Err(Skip::Binary), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_text_or_binary(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(text) = decode(bytes) {
                prop_assert!(!text.contains(['\0', '\r']));
            }
        }
    }
}
