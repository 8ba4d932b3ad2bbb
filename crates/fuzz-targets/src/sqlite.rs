use agent_turbo_migrator::{
    Column, RowKey, SqlValue, parse_json, parse_mapping, parse_tags, parse_timestamp, recognise,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What an SQLite store may hold in its columns, and what people say of them. The first line is also taken for a table's
/// name, the others for those of its columns.
pub fn sqlite(data: &[u8]) {
    let mut values = vec![SqlValue::Blob(data.to_vec()), SqlValue::NotUtf8(data.to_vec())];
    if let Some(bytes) = data.first_chunk() {
        values.extend([
            SqlValue::Integer(i64::from_le_bytes(*bytes)),
            SqlValue::Real(f64::from_le_bytes(*bytes)),
        ]);
    }
    if let Some(text) = crate::text(data) {
        values.push(SqlValue::Text(text.to_owned()));
        spoken(text);
    }
    for value in &values {
        if let Some(time) = parse_timestamp(value, &TimeZone::UTC) {
            assert!(Timestamp::MIN < time && time < Timestamp::MAX, "{time} fits into no database");
        }
        let tags = parse_tags(value);
        assert!(tags.tags.iter().all(|tag| !tag.is_empty()), "{tags:?}");
    }
}

fn spoken(text: &str) {
    if let Some(json) = parse_json(text) {
        assert!(!json.to_string().contains("\\u0000"), "jsonb cannot store a NUL");
        if let Some(key) = RowKey::from_json(&json) {
            let again = RowKey::from_json(&key.to_json());
            assert_eq!(again.as_ref(), Some(&key), "a key is read as it was written");
        }
    }
    if let Ok(mapping) = parse_mapping(text) {
        let written = mapping.to_string();
        assert_eq!(parse_mapping(&written).ok(), Some(mapping), "{written}");
    }
    let mut lines = text.lines();
    let table = lines.next().unwrap_or_default();
    let columns: Vec<Column> =
        lines.map(|name| Column { name: name.to_owned(), declared: String::new(), key: 0 }).collect();
    if let Some((_, mapping)) = recognise(table, &columns) {
        let known = |name: &String| columns.iter().any(|column| column.name == *name);
        assert!(mapping.columns.iter().all(|(_, column)| known(column)), "{mapping} names other columns");
    }
}
