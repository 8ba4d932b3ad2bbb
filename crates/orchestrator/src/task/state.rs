/// A FROM item that names the acting session to the database's triggers, for this transaction: `acting!("$2")`.
///
/// The row it yields must be there before a row can be changed, so it is set in time.
macro_rules! acting {
    ($session:literal) => {
        concat!("(SELECT set_config('agent_turbo.session', coalesce(", $session, ", ''), true)) AS acting")
    };
}
pub(crate) use acting;
