use sha2::{Digest, Sha256};
use uuid::Uuid;

const PREFIX: &str = "at_";
const ID_DIGITS: usize = 16;
const SECRET_DIGITS: usize = 64;

/// The two parts of a token.
pub(super) struct Parts<'a> {
    pub(super) id: &'a str,
    secret: &'a str,
}

impl<'a> Parts<'a> {
    /// `None` for what no token looks like.
    pub(super) fn of(token: &'a str) -> Option<Self> {
        let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let fits = id.len() == ID_DIGITS && secret.len() == SECRET_DIGITS && is_hex(id) && is_hex(secret);
        fits.then_some(Self { id, secret })
    }

    pub(super) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.secret.as_bytes()).to_vec()
    }
}

/// A token that nobody has.
pub(super) fn generate() -> String {
    let hex = || Uuid::new_v4().simple().to_string();
    // Six bits of a UUID are fixed: hashed, three of them leave more than 256.
    let secret = Sha256::digest(format!("{}{}{}", hex(), hex(), hex()));
    let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{}_{secret}", &hex()[16..])
}

#[cfg(test)]
mod tests {
    use super::{Parts, generate};

    #[test]
    fn what_is_generated_is_a_token_and_never_the_same() {
        let (one, other) = (generate(), generate());
        assert_ne!(one, other);
        assert!(Parts::of(&one).is_some());
        assert_ne!(Parts::of(&one).unwrap().hash(), Parts::of(&other).unwrap().hash());
    }

    #[test]
    fn what_is_no_token_is_not_looked_up() {
        let token = generate();
        for wrong in ["", "at_", "at__", "bearer", &token[1..], &token[..80], &format!("{token}0")] {
            assert!(Parts::of(wrong).is_none(), "{wrong}");
        }
        assert!(Parts::of(&token.replace("at_", "at_é")).is_none());
    }
}
