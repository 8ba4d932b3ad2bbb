use super::Section;
use super::lines::Lines;

/// One section, of paragraphs.
pub(super) fn sections(lines: &Lines<'_>) -> Vec<Section> {
    let mut blocks = Vec::new();
    let mut start = 0;
    for line in 0..lines.len() {
        if line + 1 == lines.len() || (lines.is_blank(line) && !lines.is_blank(line + 1)) {
            blocks.push(start..line + 1);
            start = line + 1;
        }
    }
    vec![Section { path: Vec::new(), shown: 0, blocks }]
}
