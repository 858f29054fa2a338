//! Which pages there are, and what stands on them.
//!
//! Examples lie where the registries' own tools look: `provider/provider.tf`, `resources/NAME/resource.tf` and `import.sh`,
//! `data-sources/NAME/data-source.tf`, `ephemeral-resources/NAME/ephemeral-resource.tf`, `functions/NAME/function.tf`.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use super::schema::section;
use crate::{
    Catalog, Provider,
    function::{AnyFunction, variadic},
    schema::{Attribute, Block, Schema},
};

/// The pages of a provider by path, `index.md` and the rest. Examples that are missing are left out.
pub fn render<P: Provider>(provider: &P, examples: &Path) -> BTreeMap<PathBuf, String> {
    let mut catalog = Catalog::new();
    provider.register(&mut catalog);
    let name = provider.type_name();
    let mut pages = BTreeMap::new();
    let block = Block::new(P::Config::description(), P::Config::attributes());
    let title = Title { name, kind: "Provider", provider: name };
    let example = title.example(examples, "provider/provider.tf", "terraform");
    pages.insert(
        "index.md".into(),
        page(&title, block.description(), &example, &section(block.attributes()), ""),
    );
    for (full, resource) in &catalog.resources {
        let title = Title { name: full, kind: "Resource", provider: name };
        let example = title.example(examples, &format!("resources/{full}/resource.tf"), "terraform");
        let import = title.import(examples);
        let block = resource.block();
        let text = page(&title, block.description(), &example, &section(block.attributes()), &import);
        pages.insert(title.path("resources"), text);
    }
    for (full, source) in &catalog.data_sources {
        let title = Title { name: full, kind: "Data Source", provider: name };
        let example = title.example(examples, &format!("data-sources/{full}/data-source.tf"), "terraform");
        let block = source.block();
        let text = page(&title, block.description(), &example, &section(block.attributes()), "");
        pages.insert(title.path("data-sources"), text);
    }
    for (full, ephemeral) in &catalog.ephemerals {
        let title = Title { name: full, kind: "Ephemeral Resource", provider: name };
        let file = format!("ephemeral-resources/{full}/ephemeral-resource.tf");
        let example = title.example(examples, &file, "terraform");
        let block = ephemeral.block();
        let text = page(&title, block.description(), &example, &section(block.attributes()), "");
        pages.insert(title.path("ephemeral-resources"), text);
    }
    for (full, function) in &catalog.functions {
        let title = Title { name: full, kind: "Function", provider: name };
        let example = title.example(examples, &format!("functions/{full}/function.tf"), "terraform");
        let text = page(&title, function.block().description(), &example, &signature(full, &**function), "");
        pages.insert(title.path("functions"), text);
    }
    pages
}

/// What a page is about.
struct Title<'a> {
    name: &'a str,
    kind: &'a str,
    provider: &'a str,
}

impl Title<'_> {
    /// The name without the provider's, as file names have it.
    fn path(&self, folder: &str) -> PathBuf {
        let short = self.name.strip_prefix(self.provider).and_then(|rest| rest.strip_prefix('_'));
        Path::new(folder).join(format!("{}.md", short.unwrap_or(self.name)))
    }

    /// An example in a code block; nothing if the file is missing.
    fn example(&self, examples: &Path, file: &str, language: &str) -> String {
        match std::fs::read_to_string(examples.join(file)) {
            Ok(text) => format!("## Example Usage\n\n```{language}\n{}\n```\n\n", text.trim_end()),
            Err(_) => String::new(),
        }
    }

    fn import(&self, examples: &Path) -> String {
        match std::fs::read_to_string(examples.join(format!("resources/{}/import.sh", self.name))) {
            Ok(text) => format!("\n## Import\n\n```shell\n{}\n```\n", text.trim_end()),
            Err(_) => String::new(),
        }
    }
}

fn page(title: &Title<'_>, description: &str, example: &str, body: &str, end: &str) -> String {
    let Title { name, kind, provider } = title;
    let heading = if name == provider { format!("{name} Provider") } else { format!("{name} ({kind})") };
    let page_title = if name == provider { heading.clone() } else { format!("{name} {kind} - {provider}") };
    let first = description.lines().next().unwrap_or_default().replace('"', "'");
    format!(
        "---\npage_title: \"{page_title}\"\nsubcategory: \"\"\ndescription: \"{first}\"\n---\n\n# {heading}\n\n{description}\n\n{example}{body}{end}"
    )
}

fn signature(name: &str, function: &dyn AnyFunction) -> String {
    let block = function.block();
    let rest = variadic(block);
    let is_rest =
        |attribute: &Attribute| rest.as_ref().is_some_and(|(last, _)| last.name() == attribute.name());
    let parameter = |attribute: &Attribute| match &rest {
        Some((_, of)) if is_rest(attribute) => format!("{} {}...", attribute.name(), lower(&of.to_string())),
        _ => format!("{} {}", attribute.name(), lower(&attribute.ty().to_string())),
    };
    let parameters: Vec<_> = block.attributes().iter().map(parameter).collect();
    let output = lower(&function.output().to_string());
    let mut out = format!(
        "## Signature\n\n```text\n{name}({}) {output}\n```\n\n## Arguments\n\n",
        parameters.join(", ")
    );
    for (position, attribute) in block.attributes().iter().enumerate() {
        let text = attribute.description().split_whitespace().collect::<Vec<_>>().join(" ");
        let marker = if is_rest(attribute) { "Variadic, " } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}. `{}` ({marker}{}) {text}", position + 1, attribute.name(), attribute.ty());
    }
    out
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}
