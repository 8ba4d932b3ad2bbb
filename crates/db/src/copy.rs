//! Rows as `pg_dump` writes them down: a COPY block of text.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use crate::{Error, Result};

/// PostgreSQL's own bound of a row, in bytes.
const MAX_ROW: u64 = 1 << 30;

/// The one COPY block in a script of `pg_restore --data-only --table`; everything else in it is passed over, and
/// nothing of it is run.
pub struct CopyBlock<R> {
    script: R,
    columns: Vec<String>,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> CopyBlock<R> {
    /// Reads up to the block's first row; `None` when the script has no block.
    pub async fn find(mut script: R) -> Result<Option<Self>> {
        let mut line = Vec::new();
        while next_line(&mut script, &mut line).await? {
            if line.starts_with(b"COPY ") {
                let columns =
                    columns_of(&line).ok_or_else(|| broken("a COPY statement is not understood"))?;
                return Ok(Some(Self { script, columns, line }));
            }
        }
        Ok(None)
    }

    /// The names of the columns, in the order in which each row has them.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row with its line end, in COPY's text format; `None` after the last one.
    pub async fn row(&mut self) -> Result<Option<&[u8]>> {
        if !next_line(&mut self.script, &mut self.line).await? {
            return Err(broken("it ends in the middle of a table"));
        }
        if self.line != b"\\.\n" {
            return Ok(Some(&self.line));
        }
        // Two blocks would be two tables of that name.
        while next_line(&mut self.script, &mut self.line).await? {
            if self.line.starts_with(b"COPY ") {
                return Err(broken("it has a table twice"));
            }
        }
        Ok(None)
    }
}

async fn next_line(script: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    let read = script.take(MAX_ROW).read_until(b'\n', line).await;
    let read = read.map_err(|error| broken(&format!("its rows cannot be read: {error}")))?;
    Ok(read > 0)
}

/// `COPY public.agent_tasks (task_id, "position") FROM stdin;` → `task_id`, `position`
fn columns_of(line: &[u8]) -> Option<Vec<String>> {
    let line = std::str::from_utf8(line).ok()?.trim_end().strip_suffix(") FROM stdin;")?;
    let (_, columns) = line.rsplit_once('(')?;
    columns.split(", ").map(name).collect()
}

fn name(text: &str) -> Option<String> {
    let name = match text.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?.replace("\"\"", "\""),
        None => text.to_owned(),
    };
    (!name.is_empty()).then_some(name)
}

fn broken(what: &str) -> Error {
    Error::NotABackup(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rows(script: &str) -> Result<Option<(Vec<String>, Vec<String>)>> {
        let Some(mut block) = CopyBlock::find(script.as_bytes()).await? else { return Ok(None) };
        let mut rows = Vec::new();
        while let Some(row) = block.row().await? {
            rows.push(String::from_utf8(row.to_vec()).unwrap());
        }
        Ok(Some((block.columns().to_vec(), rows)))
    }

    #[tokio::test]
    async fn the_rows_of_the_block_are_read_and_the_rest_is_passed_over() {
        let script = "--\n-- Data for Name: t\n--\n\nCOPY \"My (schema)\".t (id, \"pos\"\"ition\") FROM stdin;\n\
                      1\tone\\ntwo\n2\tCOPY x (y) FROM stdin;\n\\.\n\n\nSELECT 1;\n";
        let (columns, rows) = rows(script).await.unwrap().unwrap();
        assert_eq!(columns, ["id", "pos\"ition"]);
        assert_eq!(rows, ["1\tone\\ntwo\n", "2\tCOPY x (y) FROM stdin;\n"]);
    }

    #[tokio::test]
    async fn what_is_cut_off_or_doubled_is_no_backup() {
        assert!(rows("SET x = 1;\n").await.unwrap().is_none());
        for script in [
            "COPY t (id) FROM stdin;\n1\n",
            "COPY t (id) FROM stdin;\n1\n\\.",
            "COPY t (id) FROM '/etc/passwd';\n1\n\\.\n",
            "COPY t (id) FROM stdin;\n\\.\nCOPY u (id) FROM stdin;\n\\.\n",
        ] {
            assert!(matches!(rows(script).await, Err(Error::NotABackup(_))), "{script}");
        }
    }
}
