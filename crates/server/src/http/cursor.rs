use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::problem::{Problem, WrongMember};

/// Where a page ended, in a form that nobody takes for something that he could make himself.
pub(super) fn encode(next: Option<i64>) -> Option<String> {
    next.map(|next| URL_SAFE_NO_PAD.encode(format!("after:{next}")))
}

/// What [`encode`] was given.
pub(super) fn decode(cursor: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let decoded = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let next = decoded.as_deref().and_then(|text| text.strip_prefix("after:")?.parse().ok());
    match next {
        Some(next) => Ok(Some(next)),
        None => {
            Err(Problem::bad_request("the cursor is not the `next` of an earlier page").with_errors(vec![
                WrongMember { pointer: "cursor".to_owned(), detail: "not a cursor".to_owned() },
            ]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        for next in [0, 1, i64::MAX] {
            assert_eq!(decode(encode(Some(next)).as_deref()).unwrap(), Some(next));
        }
        assert_eq!(decode(None).unwrap(), None);
        for other in ["", "1", "after:1", "YWZ0ZXI6", "💥"] {
            assert!(decode(Some(other)).is_err(), "{other}");
        }
    }
}
