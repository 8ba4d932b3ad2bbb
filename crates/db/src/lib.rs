//! PostgreSQL access: pool, transactions with retry, migrations, notifications, rows by column name.
