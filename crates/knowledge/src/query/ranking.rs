use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How results are put in order, and which of them are left out. By default nothing but how well they answer counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ranking {
    /// Only entries whose cosine to the question is at least so much.
    pub min_similarity: Option<Share>,
    /// Newer entries are preferred: one that was just added gains one standard deviation of the scores, one of this age in
    /// days half of that, and so on.
    pub recency_half_life_days: Option<u32>,
    /// Entries that were found often are preferred: the one that was found most gains one standard deviation of the
    /// scores, the others by the logarithm of how often they were found.
    pub usage: bool,
    /// Entries that share nearly all words with a better one are told with that one instead of taking a place.
    pub fold: bool,
    /// How much results are to differ from each other, 0 (not at all) to 1 (above all): maximal marginal relevance
    /// (Carbonell and Goldstein, 1998) with λ = 1 − diversity.
    pub diversity: Option<Share>,
    /// Whether hits tell why they were found.
    pub explain: bool,
}

/// A number between −1 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f32")]
pub struct Share(f32);

impl Share {
    /// # Errors
    /// [`Error::BadInput`] when it is not between −1 and 1.
    pub fn new(value: f32) -> Result<Self> {
        if (-1.0..=1.0).contains(&value) {
            // There is one zero.
            Ok(Self(value + 0.0))
        } else {
            Err(Error::bad_input("a share", format!("{value} is not between -1 and 1")))
        }
    }

    /// The number.
    pub fn get(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Share {
    type Error = Error;

    fn try_from(value: f32) -> Result<Self> {
        Self::new(value)
    }
}

impl Eq for Share {}

impl Hash for Share {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// Why an entry was found, and what its score is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The question's words that stand in the entry, the weightiest first.
    pub words: Vec<Match>,
    /// By how many standard deviations its similarity is above the candidates' mean; hybrid mode only.
    pub similarity_deviations: Option<f32>,
    /// The same of its text score.
    pub text_deviations: Option<f32>,
    /// What its age added to the score.
    pub recency: Option<f32>,
    /// What its usage added to the score.
    pub usage: Option<f32>,
}

/// A word of the question in an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// The lexeme, as PostgreSQL's English configuration makes it of the word.
    pub word: String,
    /// How often it stands in the entry, at most 255.
    pub times: u8,
    /// In how many entries of the project it stands.
    pub entries: i64,
    /// Its share of the text score.
    pub score: f32,
}

impl Ranking {
    pub(crate) fn validate(&self) -> Result<()> {
        match self.diversity {
            Some(diversity) if diversity.get() < 0.0 => {
                Err(Error::bad_input("the diversity", format!("{} is less than 0", diversity.get())))
            }
            _ => Ok(()),
        }
    }
}
