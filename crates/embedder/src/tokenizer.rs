//! Text to token ids, cut at the model's limit.

use std::path::Path;

use tokenizers::{PreTokenizerWrapper, TruncationParams};

use crate::error::{Error, Result};

/// A text as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids, `[CLS]` and `[SEP]` included.
    pub(crate) ids: Vec<u32>,
    /// Whether the text was longer than the model's limit, and its end is missing here.
    pub(crate) truncated: bool,
}

/// The model's own tokenizer, with its padding off and its truncation at the model's limit.
pub(crate) struct Tokenizer {
    inner: tokenizers::Tokenizer,
    max_tokens: usize,
    vocab_size: usize,
    /// Whether a text may be cut at white space without changing the tokens before the cut.
    splits_at_whitespace: bool,
}

impl Tokenizer {
    /// Reads `tokenizer.json`. Ids from `vocab_size` on are refused later, text by text.
    pub(crate) fn load(path: &Path, max_tokens: usize, vocab_size: usize) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|source| Error::ReadModel { path: path.to_owned(), source })?;
        let parse = |source| Error::ParseModel { path: path.to_owned(), source };
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(parse)?;
        inner.with_padding(None);
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        inner.with_truncation(Some(truncation)).map_err(parse)?;
        let splits_at_whitespace =
            matches!(inner.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)));
        Ok(Self { inner, max_tokens, vocab_size, splits_at_whitespace })
    }

    /// Tokenizes `text`.
    ///
    /// A text far over the limit costs little more than one at the limit: only a beginning that fills it is read.
    pub(crate) fn tokenize(&self, text: &str) -> Result<Tokens> {
        // Six bytes hold a token of ordinary text; white space and long words take more, hence the doubling.
        let mut bytes = self.max_tokens * 6;
        while self.splits_at_whitespace && bytes < text.len() {
            let start = text.ceil_char_boundary(bytes);
            let Some(cut) = text[start..].find(|c: char| c.is_ascii_whitespace()) else {
                break;
            };
            let tokens = self.encode(&text[..start + cut])?;
            if tokens.truncated {
                return Ok(tokens);
            }
            bytes = (start + cut).max(bytes) * 2;
        }
        self.encode(text)
    }

    fn encode(&self, text: &str) -> Result<Tokens> {
        let encoding = self.inner.encode_fast(text, true).map_err(Error::Tokenize)?;
        let ids = encoding.get_ids().to_vec();
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocab_size) {
            let reason = format!("the tokenizer gave token {id}, the model knows {} tokens", self.vocab_size);
            return Err(Error::Inference { reason });
        }
        Ok(Tokens { ids, truncated: !encoding.get_overflowing().is_empty() })
    }
}

impl Tokens {
    /// Number of tokens.
    #[expect(clippy::len_without_is_empty, reason = "there are always [CLS] and [SEP]")]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the end of the text was cut off at the model's limit.
    pub fn truncated(&self) -> bool {
        self.truncated
    }
}
