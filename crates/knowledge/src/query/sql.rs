//! The statements of a search. Their texts depend on model, order and the parts of the filter that are given, never on
//! values, so each form is prepared once.

use agent_turbo_embed::Model;

use crate::entry::entry_columns;
use crate::postings::WORTH_PACKING;

/// Entries by their words: whole ones where `segment` is null, otherwise a list of the postings of `word`, with the base of its
/// segment for an id. Parameters: `$1` the `tsquery` or null, `$2` entries at the most, `$3` the words whose lists are wanted, then
/// the filter's. Entries that are on no list yet come along.
pub(super) fn by_words(filter: &str) -> String {
    format!(
        "-- knowledge_by_words
         (SELECT NULL::bigint AS segment, k.id, NULL::bigint AS last, NULL::integer AS word, k.frequencies AS bytes
          FROM agent_knowledge AS k WHERE k.lexemes @@ $1::text::tsquery{filter} LIMIT $2)
         UNION ALL
         SELECT NULL, k.id, NULL, NULL, k.frequencies FROM agent_knowledge AS k
         WHERE cardinality($3::integer[]) > 0{filter} AND k.id = ANY (ARRAY(
             (SELECT unnest(entries) FROM (SELECT entries FROM knowledge_unposted ORDER BY id DESC LIMIT 32) AS newest
              LIMIT {WORTH_PACKING})
             UNION (SELECT entry FROM knowledge_uncounted WHERE entry IS NOT NULL
                    AND id > (SELECT max(id) FROM knowledge_uncounted) - 256)))
         UNION ALL
         SELECT s.id, s.base, s.last, p.word, p.entries
         FROM knowledge_postings AS p JOIN knowledge_segments AS s ON s.id = p.segment WHERE p.word = ANY ($3)"
    )
}

/// The words of some entries. Parameters: `$1` their rows, then the filter's.
pub(super) fn frequencies(filter: &str) -> String {
    format!(
        "-- knowledge_frequencies
         SELECT k.id, k.frequencies AS bytes FROM agent_knowledge AS k WHERE k.id = ANY ($1){filter}"
    )
}

/// Every entry that has a word. Parameters: `$1` the `tsquery`, `$2` entries at the most, then the filter's.
pub(super) fn by_any_word(filter: &str) -> String {
    format!(
        "-- knowledge_by_any_word
         SELECT k.id, k.frequencies AS bytes FROM agent_knowledge AS k
         WHERE k.lexemes @@ $1::text::tsquery{filter} LIMIT $2"
    )
}

/// How the nearest entries are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By the model's index.
    Index,
    /// Those that pass the filter by their signatures: more of them than are wanted, for they are put in order roughly.
    Signatures,
    /// Those that pass the filter one by one.
    Each,
}

/// So many times as many entries as are wanted come back when signatures have said which; their vectors are compared with all
/// other candidates'.
const ROUGHLY: usize = 3;

/// The nearest entries. Parameters: `$1` the vector, `$2` entries that are wanted, then the filter's.
pub(super) fn by_meaning(model: &Model, way: Way, filter: &str) -> String {
    // Name and dimensions are literals: only so does the planner see that the partial index serves.
    let (name, dimensions) = (literal(model), model.dimensions);
    let one_by_one = |condition: &str| {
        format!(
            "SELECT k.id FROM agent_knowledge AS k
             WHERE {condition}k.embedding_model = '{name}'{filter}
             ORDER BY k.embedding <=> $1::vector LIMIT $2"
        )
    };
    let found = match way {
        Way::Each => one_by_one(""),
        Way::Signatures => format!(
            "SELECT k.id FROM agent_knowledge AS k
             WHERE k.embedding_model = '{name}'{filter}
             ORDER BY k.signature::bit({dimensions}) <~> binary_quantize($1::vector)::bit({dimensions})
             LIMIT {ROUGHLY} * $2::bigint"
        ),
        Way::Index => format!(
            "WITH nearest AS MATERIALIZED (
                 SELECT k.id FROM agent_knowledge AS k
                 WHERE k.embedding_model = '{name}'{filter}
                 ORDER BY (k.embedding::halfvec({dimensions})) <=> ($1::vector)::halfvec({dimensions}) LIMIT $2
             ),
             -- An index scan gives up after hnsw.max_scan_tuples. Where it came back with less than was asked for,
             -- the filter is narrow after all.
             passing AS MATERIALIZED ({})
             SELECT id FROM nearest UNION SELECT id FROM passing",
            one_by_one("(SELECT count(*) FROM nearest) < $2 AND ")
        ),
    };
    format!("-- knowledge_by_meaning\n{found}")
}

/// Whole entries. Parameters: `$1` their rows, then the vector if there is one, then the filter's: an entry may have
/// been changed since it was found. The vectors themselves come along when results are to be told apart by them.
pub(super) fn entries(model: Option<&Model>, with_vectors: bool, filter: &str) -> String {
    let similarity = match model {
        Some(model) => format!(
            "CASE WHEN k.embedding_model = '{}' THEN 1 - (k.embedding <=> $2::vector) END",
            literal(model)
        ),
        None => "NULL::double precision".to_owned(),
    };
    let vector = if with_vectors { "k.embedding" } else { "NULL::vector" };
    format!(
        "-- knowledge_found
         SELECT {}, k.frequencies, {similarity} AS similarity, {vector} AS embedding
         FROM agent_knowledge AS k WHERE k.id = ANY ($1){filter}",
        entry_columns!()
    )
}

/// How many entries pass a filter, up to `$1`; then the filter's parameters.
pub(super) fn count(filter: &str) -> String {
    format!(
        "-- knowledge_passing
         SELECT count(*) AS entries FROM (SELECT FROM agent_knowledge AS k WHERE true{filter} LIMIT $1) AS passing"
    )
}

/// The schema admits no quote in a name, and doubling it costs nothing.
fn literal(model: &Model) -> String {
    model.name.replace('\'', "''")
}
