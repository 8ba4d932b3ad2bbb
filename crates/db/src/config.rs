use std::time::Duration;

use crate::ConnectionUrl;

/// How to reach the database and how patient to be with it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server is. Several hosts and `target_session_attrs` are understood, `sslmode` up to `verify-full`.
    pub url: ConnectionUrl,
    /// Schema that holds the tables; created by [`migrate`](crate::migrate). `None`: the server's default, `public`.
    pub schema: Option<String>,
    /// Connections kept open, at least 1. Default 2.
    pub pool_min: usize,
    /// Connections at the most. Default 10.
    pub pool_max: usize,
    /// For opening one connection. Default 5 s.
    pub connect_timeout: Duration,
    /// For getting a connection out of the pool. Default 10 s.
    pub wait_timeout: Duration,
    /// For one statement, enforced by the server and, a little later, here. Default 30 s.
    pub statement_timeout: Duration,
    /// Settings for every connection, such as `("hnsw.iterative_scan", "relaxed_order")`.
    pub session_settings: Vec<(&'static str, String)>,
}

impl Config {
    /// The defaults for a server at `url`.
    pub fn new(url: ConnectionUrl) -> Self {
        Self {
            url,
            schema: None,
            pool_min: 2,
            pool_max: 10,
            connect_timeout: Duration::from_secs(5),
            wait_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            session_settings: Vec::new(),
        }
    }
}
