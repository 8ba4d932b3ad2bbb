use agent_turbo_embed::Client;
use anyhow::{Context, Result};

const DOCUMENTS: [&str; 5] = [
    include_str!("../../../README.md"),
    include_str!("../../../docs/ARCHITECTURE.md"),
    include_str!("../../../docs/OPERATIONS.md"),
    include_str!("../../../docs/PERFORMANCE.md"),
    include_str!("../../../docs/SOAK.md"),
];
/// Rare words, as names and numbers are in real texts: the n-th most frequent is 1/n as frequent as the first (Zipf).
const RARE_WORDS: u64 = 200_000;
/// Noise beside the mixture, as a share of a vector's length.
const NOISE: f32 = 0.25;

/// Entries made of real sentences.
///
/// Entry n is about two sentences above all, and about two others less. Its text is those sentences, with a tenth of the words
/// exchanged and eight rare words put in; its vector is the sum of their vectors, weighed 1, 0.5 to 1, and at most 0.5 and 0.3,
/// with a little noise. So words and meaning belong together, and every entry can be made again from its number. Questions ask
/// for an entry that may be there. `ask::print_profile` shows how near answers
/// are to their questions, to be compared with real texts.
pub(crate) struct Corpus {
    sentences: Vec<String>,
    vectors: Vec<Vec<f32>>,
    words: Vec<&'static str>,
    model: String,
}

/// Which share of the entries a project has.
pub(crate) const SHARES: [(&str, u64); 3] = [("one-in-1000", 1000), ("one-in-100", 100), ("one-in-10", 10)];

pub(crate) struct Made {
    pub(crate) project: &'static str,
    pub(crate) content: String,
    pub(crate) vector: Vec<f32>,
}

impl Corpus {
    pub(crate) async fn new(embed: &Client) -> Result<Self> {
        let mut sentences: Vec<String> = DOCUMENTS
            .iter()
            .flat_map(|document| document.split(['.', '|', '\n']))
            .map(|sentence| sentence.trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
            .filter(|sentence| (40..300).contains(&sentence.len()))
            .collect();
        sentences.sort();
        sentences.dedup();
        let texts: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let (mut vectors, mut model) = (Vec::new(), String::new());
        for embedding in embed.embed_batch(&texts).await? {
            let embedding = embedding?;
            model.clone_from(&embedding.model.name);
            vectors.push(embedding.vector.to_vec());
        }
        let words = DOCUMENTS.iter().flat_map(|document| document.split_whitespace());
        let words = words.filter(|word| word.chars().all(char::is_alphabetic)).collect();
        Ok(Self { sentences, vectors, words, model })
    }

    pub(crate) fn sentences(&self) -> usize {
        self.sentences.len()
    }

    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    pub(crate) fn dimensions(&self) -> Result<usize> {
        Ok(self.vectors.first().context("there are no sentences")?.len())
    }

    pub(crate) fn entry(&self, number: u64) -> Made {
        let mut random = Random::of_entry(number);
        let project = SHARES
            .iter()
            .zip(0..)
            .find(|((_, share), offset)| number % share == *offset)
            .map_or("rest", |((name, _), _)| *name);
        let topics = self.topics(&mut random);
        let weights = [1.0, 0.5 + 0.5 * random.share(), 0.5 * random.share(), 0.3 * random.share()];
        let mut vector = vec![0.0_f32; self.vectors[0].len()];
        for (topic, weight) in topics.iter().zip(weights) {
            for (sum, part) in vector.iter_mut().zip(&self.vectors[*topic]) {
                *sum += weight * part;
            }
        }
        let noise: Vec<f32> = vector.iter().map(|_| random.share() - 0.5).collect();
        let scale = NOISE * norm(&vector) / norm(&noise).max(f32::MIN_POSITIVE);
        vector.iter_mut().zip(&noise).for_each(|(sum, noise)| *sum += scale * noise);
        let length = norm(&vector).max(f32::MIN_POSITIVE);
        for sum in &mut vector {
            *sum /= length;
        }
        let mut content = String::new();
        for topic in &topics[..2 + random.below(2)] {
            for word in self.sentences[*topic].split_whitespace() {
                let word =
                    if random.below(10) == 0 { self.words[random.below(self.words.len())] } else { word };
                content.push_str(word);
                content.push(' ');
            }
        }
        for _ in 0..8 {
            content.push_str(&rare_word(&mut random));
            content.push(' ');
        }
        content.push_str(&format!("n{number}"));
        Made { project, content, vector }
    }

    /// Some words of both main sentences of an entry among the first `size`, and in every other question a rare word.
    pub(crate) fn question(&self, number: u64, size: u64) -> String {
        let mut random = Random(!number);
        let entry = random.below(usize::try_from(size).unwrap_or(usize::MAX)) as u64;
        let [first, second, ..] = self.topics(&mut Random::of_entry(entry));
        let mut question = String::new();
        for sentence in [first, second] {
            let words: Vec<&str> = self.sentences[sentence].split_whitespace().collect();
            let count = 3 + random.below(4);
            let from = random.below(words.len().saturating_sub(count).max(1));
            for word in words.iter().skip(from).take(count) {
                question.push_str(word);
                question.push(' ');
            }
        }
        if number.is_multiple_of(2) {
            question.push_str(&rare_word(&mut random));
        }
        question.trim_end().to_owned()
    }

    /// Some sentences are told more often than others.
    fn topics(&self, random: &mut Random) -> [usize; 4] {
        let first = (self.sentences.len() as f32 * random.share().powi(2)) as usize;
        let other = |random: &mut Random| random.below(self.sentences.len());
        [first.min(self.sentences.len() - 1), other(random), other(random), other(random)]
    }
}

/// Of the rank whose frequency is one share in its own number.
fn rare_word(random: &mut Random) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "xu", "za"];
    let rank = (RARE_WORDS as f64).powf(f64::from(random.share())) as usize;
    let mut word = String::from("q");
    let mut rest = rank;
    loop {
        word.push_str(SYLLABLES[rest % 16]);
        rest /= 16;
        if rest == 0 {
            return word;
        }
    }
}

fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|part| part * part).sum::<f32>().sqrt()
}

/// SplitMix64 (Steele, Lea, Flood, 2014): the same numbers for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn of_entry(number: u64) -> Self {
        Self(number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}
