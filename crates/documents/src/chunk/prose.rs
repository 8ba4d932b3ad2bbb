use std::ops::Range;

use super::Section;
use super::lines::Lines;
use crate::pdf::PAGE_BREAK;

/// One section, of paragraphs.
pub(super) fn sections(lines: &Lines<'_>) -> Vec<Section> {
    vec![Section { path: Vec::new(), shown: 0, blocks: paragraphs(lines, 0..lines.len()) }]
}

/// A section for each page.
pub(super) fn pages(lines: &Lines<'_>) -> Vec<Section> {
    let is_break = |line: &usize| lines.line(*line).trim_end_matches('\n') == PAGE_BREAK.to_string();
    let starts: Vec<usize> = [0].into_iter().chain((0..lines.len()).filter(is_break)).collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    (1..)
        .zip(starts.iter().copied().zip(ends))
        .map(|(number, (start, end))| {
            let path = vec![format!("Page {number}")];
            Section { path, shown: 0, blocks: paragraphs(lines, start..end) }
        })
        .collect()
}

fn paragraphs(lines: &Lines<'_>, within: Range<usize>) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut start = within.start;
    for line in within.clone() {
        if line + 1 == within.end || (lines.is_blank(line) && !lines.is_blank(line + 1)) {
            blocks.push(start..line + 1);
            start = line + 1;
        }
    }
    blocks
}
