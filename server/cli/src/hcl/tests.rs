//! What is written reads as what was meant. The real Terraform reads it in the acceptance tests.

use proptest::prelude::*;

use super::*;

/// Reads quoted text back, as HCL's scanner does; nothing where it ends early or begins a template.
fn read(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::new();
    let mut letters = inner.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' | '\n' | '\r' => return None,
            '\\' => match letters.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'u' => {
                    let code: String = letters.by_ref().take(4).collect();
                    out.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                }
                same @ ('"' | '\\') => out.push(same),
                _ => return None,
            },
            sign @ ('$' | '%') => {
                let mut ahead = letters.clone();
                match (ahead.next(), ahead.next()) {
                    (Some('{'), _) => return None,
                    (Some(next), Some('{')) if next == sign => {
                        letters.next();
                        letters.next();
                        out.push(sign);
                        out.push('{');
                    }
                    _ => out.push(sign),
                }
            }
            other => out.push(other),
        }
    }
    Some(out)
}

#[test]
fn a_block_is_written_as_people_write_it() {
    let mut identity = Attributes::default();
    identity.text("serial", "A\"1").text("uuid", "");
    let labels = vec![("rack".to_owned(), "r1".into()), ("a.b/c".to_owned(), "${x}".into())];
    let mut host = Attributes::default();
    host.set("name", "r1").set("labels", Value::Object(labels)).set("identity", identity.object());
    host.set("manual", Value::Object(Vec::new()));
    host.set("boot", Value::List(vec!["pxe".into(), "http".into()])).set("protected", true);
    let expected = r#"resource "underlay_host" "r1" {
  name = "r1"
  labels = {
    rack    = "r1"
    "a.b/c" = "$${x}"
  }
  identity = {
    serial = "A\"1"
  }
  manual    = {}
  boot      = ["pxe", "http"]
  protected = true
}
"#;
    assert_eq!(host.block("resource \"underlay_host\" \"r1\""), expected);
}

#[test]
fn names_and_comments_cannot_break_out() {
    assert_eq!(identifier("7f3.kz_1-2"), "host_7f3_kz_1-2");
    assert_eq!(identifier("web-0"), "web-0");
    assert_eq!(comment("Acme\nresource \"x\" {}\u{2028}"), "# Acme resource \"x\" {} \n");
    assert_eq!(quoted("a$${b}%{c}$"), r#""a$$${b}%%{c}$""#);
}

proptest! {
    #[test]
    fn any_text_reads_back(text in "(\\PC|[\"\\\\${}%\n\r\t\u{0}\u{7f}]){0,40}") {
        prop_assume!(!text.contains("$$") && !text.contains("%%"));
        let written = quoted(&text);
        prop_assert_eq!(read(&written), Some(text), "{}", written);
    }
}
