//! Sessions on the screen.

use agent_turbo_orchestrator::Session;

use crate::output::{BOLD, DIM, Output, PLAIN, columns, headline, moment};

/// Other programs choose ids of their own.
pub(crate) fn id(session: &Session) -> String {
    headline(session.session_id.as_str(), 100)
}

pub(crate) fn heading(out: &mut Output, session: &Session) {
    out.line(format_args!("{BOLD}{}{BOLD:#} {}", id(session), session.status));
    let ended = session.completed_at.map(|time| format!(" · ended {}", moment(time)));
    out.line(format_args!(
        "{DIM}{} · {} on {} · started {} · last active {}{}{DIM:#}",
        headline(&session.project, 60),
        headline(&session.agent_role, 40),
        headline(&session.agent_platform, 40),
        moment(session.created_at),
        moment(session.last_active),
        ended.unwrap_or_default(),
    ));
}

pub(super) fn usage(session: &Session) -> String {
    format!("{} tokens, {} calls", session.tokens_used, session.api_calls)
}

/// A line for each.
pub(super) fn rows(out: &mut Output, sessions: &[Session]) {
    let rows: Vec<_> = sessions.iter().map(row).collect();
    for line in columns(&rows, [BOLD, DIM, PLAIN, DIM, DIM]) {
        out.line(line);
    }
}

fn row(session: &Session) -> [String; 5] {
    [
        id(session),
        session.created_at.strftime("%Y-%m-%d %H:%M").to_string(),
        session.status.to_string(),
        headline(&session.project, 30),
        usage(session),
    ]
}
