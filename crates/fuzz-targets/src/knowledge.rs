use agent_turbo_knowledge::{EntryRef, Project, fuzzing};

/// Texts before they are stored: one form, within bounds, without what PostgreSQL cannot hold.
pub fn knowledge(data: &[u8]) {
    let Some(text) = crate::text(data) else { return };
    let once = fuzzing::normalise(text);
    assert_eq!(fuzzing::normalise(&once), once, "normalising twice changes more");
    assert!(!once.contains('\r') && once.len() <= text.len());
    let accepted = fuzzing::validate(&once, 256).is_ok();
    assert_eq!(accepted, !once.trim().is_empty() && !once.contains('\0') && once.len() <= 256);
    assert!(fuzzing::estimate_tokens(&once) >= 0);
    if let Ok(entry) = text.parse::<EntryRef>() {
        let shown = entry.to_string();
        assert!(
            shown.len() >= 4
                && shown.len() <= 64
                && shown.parse::<EntryRef>().is_ok_and(|same| same == entry)
        );
    }
    if let Ok(project) = text.parse::<Project>() {
        assert_eq!(project.as_str(), text, "a project is taken to the letter");
        assert!(!text.is_empty() && text.len() <= 128 && !text.contains(char::is_control));
    }
}
