//! The attributes of a machine as a table: value, type, and who gives it. What is sealed is not shown.

use underlay_proto::v1::{AttributeValue, Explanation};

/// The longest value that is shown whole.
const SHOWN: usize = 60;

pub(super) fn text(object: &str, told: &Explanation) -> String {
    if told.values.is_empty() && told.value_errors.is_empty() {
        return format!("{object} has no attributes: no profile of it declares any\n");
    }
    let rows: Vec<[String; 4]> = told.values.iter().map(row).collect();
    let head = ["attribute", "value", "from", "type"].map(str::to_owned);
    let mut widths = [0; 4];
    for row in std::iter::once(&head).chain(&rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head).chain(&rows) {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    for error in &told.value_errors {
        text.push_str(&format!("error: {}: {}\n", error.attribute, error.message));
    }
    text
}

fn row(value: &AttributeValue) -> [String; 4] {
    let shown = match (value.origin.is_empty(), value.secret) {
        (true, _) => "-".to_owned(),
        (false, true) => match value.secret_version {
            Some(version) => format!("(sealed, version {version})"),
            None => "(sealed)".to_owned(),
        },
        (false, false) => shortened(&value.value),
    };
    let from = if value.origin.is_empty() { "nobody".to_owned() } else { value.origin.clone() };
    let secret = if value.secret { "secret " } else { "" };
    [value.name.clone(), shown, from, format!("{secret}{}, by profile/{}", value.r#type, value.declared_by)]
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN - 3).collect();
    format!("{start}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_stands_beside_who_gives_it_and_what_is_sealed_is_not_shown() {
        let value = |name: &str, origin: &str, value: &str, secret: bool| AttributeValue {
            name: name.into(),
            r#type: "string".into(),
            secret,
            declared_by: "base".into(),
            origin: origin.into(),
            value: value.into(),
            secret_version: secret.then_some(2),
        };
        let told = Explanation {
            values: vec![
                value("dns", "pool/general", "\"10.0.0.53\"", false),
                value("key", "machine", "", true),
                value("ntp", "", "", false),
            ],
            ..Explanation::default()
        };
        assert_eq!(
            text("machine/web-0", &told),
            "attribute  value                from          type\n\
             dns        \"10.0.0.53\"          pool/general  string, by profile/base\n\
             key        (sealed, version 2)  machine       secret string, by profile/base\n\
             ntp        -                    nobody        string, by profile/base\n"
        );
    }
}
