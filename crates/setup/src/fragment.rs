use serde_json::Value;

/// A piece of JSON to be written: its members keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fragment {
    Text(String),
    Number(u64),
    List(Vec<Fragment>),
    Object(Vec<(String, Fragment)>),
    /// What somebody else wrote.
    Kept(Value),
}

/// How a piece is laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout<'a> {
    /// On one line.
    Line,
    /// On lines of their own, below a line that is indented so far.
    Lines { eol: &'a str, base: &'a str, unit: &'a str },
}

impl Fragment {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Number(number) => Value::from(*number),
            Self::Kept(value) => value.clone(),
            Self::List(items) => items.iter().map(Self::value).collect(),
            Self::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), member.value())).collect()
            }
        }
    }

    /// As it stands in a file. Lists of texts always take one line.
    pub(crate) fn render(&self, layout: Layout<'_>) -> String {
        match (self, layout) {
            (Self::Text(text), _) => quoted(text),
            (Self::Number(number), _) => number.to_string(),
            (Self::Kept(value), _) => value.to_string(),
            (Self::List(items), Layout::Lines { eol, base, unit })
                if items.iter().any(|item| matches!(item, Self::Object(_) | Self::List(_))) =>
            {
                let inner = format!("{base}{unit}");
                let items = items.iter().map(|item| item.render(Layout::Lines { eol, base: &inner, unit }));
                surrounded('[', ']', items, eol, base, &inner)
            }
            (Self::List(items), _) => {
                let items: Vec<_> = items.iter().map(|item| item.render(Layout::Line)).collect();
                format!("[{}]", items.join(", "))
            }
            (Self::Object(members), Layout::Lines { eol, base, unit }) if !members.is_empty() => {
                let inner = format!("{base}{unit}");
                let layout = Layout::Lines { eol, base: &inner, unit };
                let members = members.iter().map(|(name, member)| member.render_member(name, layout));
                surrounded('{', '}', members, eol, base, &inner)
            }
            (Self::Object(members), _) => {
                let members: Vec<_> =
                    members.iter().map(|(name, member)| member.render_member(name, Layout::Line)).collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }

    pub(crate) fn render_member(&self, name: &str, layout: Layout<'_>) -> String {
        format!("{}: {}", quoted(name), self.render(layout))
    }
}

/// A JSON text.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn surrounded(
    open: char,
    close: char,
    items: impl Iterator<Item = String>,
    eol: &str,
    base: &str,
    inner: &str,
) -> String {
    let items: Vec<_> = items.map(|item| format!("{eol}{inner}{item}")).collect();
    format!("{open}{}{eol}{base}{close}", items.join(","))
}
