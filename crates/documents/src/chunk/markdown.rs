use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::lines::Lines;
use super::{Section, heading};

/// A block at the outermost level; headings have a level and a text.
struct Block {
    line: usize,
    heading: Option<(usize, String)>,
}

/// A section for each heading. A heading with nothing but deeper headings below it goes with the first of them.
pub(super) fn sections(lines: &Lines<'_>) -> Vec<Section> {
    let blocks = blocks(lines);
    let mut sections: Vec<Section> = Vec::new();
    let mut stack: Vec<(usize, String)> = Vec::new();
    let mut open = Section { path: Vec::new(), shown: 0, blocks: Vec::new() };
    // The level of a heading that has had nothing below it so far.
    let mut bare: Option<usize> = None;
    for (number, block) in blocks.iter().enumerate() {
        let end = blocks.get(number + 1).map_or(lines.len(), |next| next.line);
        let start = if number == 0 { 0 } else { block.line };
        match &block.heading {
            Some((level, text)) => {
                while stack.last().is_some_and(|(above, _)| above >= level) {
                    stack.pop();
                }
                stack.push((*level, text.clone()));
                let path = stack.iter().map(|(_, text)| text.clone()).collect();
                if bare.is_some_and(|above| above < *level) {
                    open.path = path;
                    open.shown += 1;
                } else {
                    sections
                        .push(std::mem::replace(&mut open, Section { path, shown: 1, blocks: Vec::new() }));
                }
                bare = Some(*level);
            }
            None => bare = None,
        }
        open.blocks.push(start..end);
    }
    sections.push(open);
    sections
}

fn blocks(lines: &Lines<'_>) -> Vec<Block> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut blocks: Vec<Block> = Vec::new();
    let mut depth = 0_usize;
    let mut title: Option<(usize, String)> = None;
    for (event, bytes) in Parser::new_ext(lines.text, options).into_offset_iter() {
        let is_outermost = depth == 0;
        match &event {
            Event::Start(tag) => {
                depth += 1;
                if let (true, Tag::Heading { level, .. }) = (is_outermost, tag) {
                    title = Some((*level as usize, String::new()));
                }
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                if let (TagEnd::Heading(_), Some((level, text))) = (tag, title.take_if(|_| depth == 0))
                    && let Some(block) = blocks.last_mut()
                {
                    block.heading = Some((level, heading(&text)));
                }
                continue;
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, title)) = &mut title {
                    title.push_str(text);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, title)) = &mut title {
                    title.push(' ');
                }
            }
            _ => {}
        }
        if is_outermost {
            let line = lines.line_of(bytes.start);
            if blocks.last().is_none_or(|last| last.line < line) {
                blocks.push(Block { line, heading: None });
            }
        }
    }
    if blocks.is_empty() && lines.len() > 0 {
        blocks.push(Block { line: 0, heading: None });
    }
    blocks
}
