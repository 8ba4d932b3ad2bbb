use agent_turbo_db as db;
use agent_turbo_db::CopyBlock;

/// What pg_restore prints of a table: every line between the block's head and its end is a row, and nothing else is.
pub fn archive(data: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    let rows = runtime.block_on(rows(data));
    let Ok(Some(rows)) = rows else { return };
    assert!(
        rows.iter()
            .all(|row| row.iter().rposition(|byte| *byte == b'\n')
                == row.iter().position(|byte| *byte == b'\n'))
    );
    assert!(rows.iter().all(|row| row != b"\\.\n"), "the end of the block was taken for a row");
    assert!(rows.iter().map(Vec::len).sum::<usize>() < data.len());
    let history: Vec<_> = rows.iter().map(|row| String::from_utf8_lossy(row)).collect();
    if let Ok(version) = db::version_of(&history) {
        assert!(version > 0 && db::tables_of(version).contains(&db::HISTORY_TABLE));
    }
}

async fn rows(data: &[u8]) -> db::Result<Option<Vec<Vec<u8>>>> {
    let Some(mut block) = CopyBlock::find(data).await? else { return Ok(None) };
    assert!(block.columns().iter().all(|column| !column.is_empty()));
    let mut rows = Vec::new();
    while let Some(row) = block.row().await? {
        rows.push(row.to_vec());
    }
    Ok(Some(rows))
}
