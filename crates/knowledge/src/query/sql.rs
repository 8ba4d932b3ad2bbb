//! The one statement that fetches candidates. Its text depends on mode, model and the parts of the filter that are
//! given, never on values, so each form is prepared once.

use agent_turbo_embed::Model;

use super::Mode;
use crate::entry::entry_columns;

/// Candidates that each way of looking contributes: enough to rank `limit` of them well.
pub(super) fn candidates(limit: usize) -> i64 {
    (limit * 4).clamp(50, 2000) as i64
}

/// What of a question is looked for by words: its beginning. A page of text has more words than help.
pub(super) fn words(question: &str) -> String {
    question.chars().take(2000).collect()
}

/// Parameters: `$1` candidates, then `words` (not in vector mode), then the vector (if there is a model), then the
/// filter's.
pub(super) fn statement(mode: Mode, model: Option<&Model>, filter: &str) -> String {
    let vector = if mode == Mode::Vector { "$2" } else { "$3" };
    let mut parts = Vec::new();
    let mut sources = Vec::new();
    if mode != Mode::Vector {
        // Any word may match; rank sorts out how many do. 1: longer texts need more matches for the same rank.
        parts.push(format!(
            "asked AS MATERIALIZED (
                 SELECT replace(plainto_tsquery('pg_catalog.english', $2)::text, ' & ', ' | ')::tsquery AS words
             ),
             matching AS MATERIALIZED (
                 SELECT k.id, ts_rank(k.lexemes, asked.words, 1) AS text_rank
                 FROM asked, agent_knowledge AS k
                 WHERE k.lexemes @@ asked.words{filter}
                 ORDER BY text_rank DESC, k.id LIMIT $1
             )"
        ));
        sources.push("SELECT id FROM matching");
    }
    if let Some(Model { name, dimensions }) = model {
        // Name and dimensions are literals: only so does the planner see that the partial index serves. The schema
        // admits no quote in a name, and doubling it costs nothing.
        let name = name.replace('\'', "''");
        let distance =
            format!("(k.embedding::halfvec({dimensions})) <=> ({vector}::vector)::halfvec({dimensions})");
        parts.push(format!(
            "nearest AS MATERIALIZED (
                 SELECT k.id FROM agent_knowledge AS k
                 WHERE k.embedding_model = '{name}'{filter}
                 ORDER BY {distance} LIMIT $1
             ),
             -- An index scan gives up after hnsw.max_scan_tuples. Where it came back with less than was asked for,
             -- the filter is narrow, and what passes it is compared one by one.
             passing AS MATERIALIZED (
                 SELECT k.id FROM agent_knowledge AS k
                 WHERE (SELECT count(*) FROM nearest) < $1 AND k.embedding_model = '{name}'{filter}
                 ORDER BY k.embedding <=> {vector}::vector LIMIT $1
             )"
        ));
        sources.push("SELECT id FROM nearest");
        sources.push("SELECT id FROM passing");
    }
    let similarity = match model {
        Some(model) => format!(
            "CASE WHEN k.embedding_model = '{}' THEN 1 - (k.embedding <=> {vector}::vector) END",
            model.name.replace('\'', "''")
        ),
        None => "NULL::double precision".to_owned(),
    };
    let (text_rank, matching) = if mode == Mode::Vector {
        ("NULL::real", "")
    } else {
        ("m.text_rank", "LEFT JOIN matching AS m ON m.id = k.id")
    };
    format!(
        "-- query_knowledge ({mode})
         WITH {},
         found AS ({})
         SELECT {}, {similarity} AS similarity, {text_rank} AS text_rank
         FROM found JOIN agent_knowledge AS k ON k.id = found.id {matching}",
        parts.join(",\n"),
        sources.join(" UNION "),
        entry_columns!(),
    )
}
