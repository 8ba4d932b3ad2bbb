use agent_turbo_db::{Database, RowExt};
use agent_turbo_knowledge::Store;
use agent_turbo_migrator::{self as migrator, Counts};
use anyhow::{Result, ensure};

use super::stores::{self, ROWS, Source};
use crate::verify::World;
use crate::verify::report::Report;

/// A store of each known shape, brought over, held against its source twice, and brought over once more in vain.
pub(super) async fn verify(
    world: &World,
    report: &mut Report,
    store: &Store,
    database: &Database,
) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sources = report
        .check("SQLite stores of real text", async {
            let paragraphs = stores::paragraphs()?;
            let sources = stores::build(dir.path(), &paragraphs)?;
            let shapes: Vec<&str> = sources.iter().map(|source| source.shape).collect();
            Ok((format!("{ROWS} rows each: {}", shapes.join(", ")), sources))
        })
        .await?;
    for source in &sources {
        report.check(&format!("import of {}", source.shape), import(world, store, source)).await?;
    }
    let rows = sources.len() * ROWS;
    report
        .check("the target by plain SQL", async {
            let row = database
                .client()
                .await?
                .query_one(
                    "SELECT count(*) AS entries, count(embedding) AS vectors,
                            count(*) FILTER (WHERE content_hash = encode(sha256(convert_to(content, 'UTF8')), 'hex'))
                                AS hashes
                     FROM agent_knowledge WHERE project = $1",
                    &[&world.project.as_str()],
                )
                .await?;
            let counts: (i64, i64, i64) = (row.column("entries")?, row.column("vectors")?, row.column("hashes")?);
            let all = i64::try_from(rows)?;
            ensure!(counts == (all, all, all), "entries, vectors and right hashes are {counts:?} of {all}");
            Ok((format!("{all} entries, each with a vector and the hash of its text"), ()))
        })
        .await?;
    report
        .check("verified again, from both sides", async {
            for source in &sources {
                let found = migrator::verify(store, &options(world, source), &()).await?;
                ensure!(found.is_intact() && found.rows() == ROWS as u64, "{}: {found:?}", source.shape);
            }
            Ok((format!("{rows} rows, no flaw"), ()))
        })
        .await?;
    report
        .check("imported again, nothing is doubled", async {
            for source in &sources {
                let again = migrator::import(store, &options(world, source), &()).await?;
                let expected = Counts { read: ROWS as u64, resumed: ROWS as u64, ..Counts::default() };
                ensure!(again.counts == expected, "{}: {:?}", source.shape, again.counts);
            }
            Ok((format!("{rows} rows recognised"), ()))
        })
        .await?;
    report.criterion(
        "migration from SQLite",
        "every row, hash by hash",
        &format!("{rows} of {rows} rows of 4 shapes"),
    );
    Ok(())
}

async fn import(world: &World, store: &Store, source: &Source) -> Result<(String, ())> {
    let report = migrator::import(store, &options(world, source), &()).await?;
    let expected = Counts { read: ROWS as u64, imported: ROWS as u64, ..Counts::default() };
    ensure!(report.counts == expected, "its rows came to {:?}", report.counts);
    ensure!(report.is_verified(), "both sides differ: {:?}", report.verification);
    let digest = report
        .verification
        .iter()
        .flat_map(|verification| &verification.classes)
        .find(|class| class.source_rows > 0)
        .map_or_else(String::new, |class| class.target_digest.chars().take(8).collect());
    Ok((
        format!(
            "{} rows, {} imported, digest {digest} on both sides",
            report.counts.read, report.counts.imported
        ),
        (),
    ))
}

fn options(world: &World, source: &Source) -> migrator::Options {
    migrator::Options { project: world.project.clone(), ..migrator::Options::new(&source.file) }
}
