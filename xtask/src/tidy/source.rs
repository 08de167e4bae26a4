//! A Rust file as the checks see it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::workspace;

/// A Rust file.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// How many lines it has beside its tests.
    pub(super) lines_outside_tests: usize,
    pub(super) functions: Vec<Function>,
    /// Every path that is named outside of tests, imports spelt out: `tokio::time::sleep`. Macros
    /// have a `!` after them, attributes a `#` before.
    pub(super) names: Vec<Name>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    /// From its signature to its closing brace.
    pub(super) lines: usize,
}

/// A path that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) line: usize,
    /// Whether it stands under `#[cfg(test)]` or in a test's own file.
    pub(super) in_tests: bool,
}

/// Parses all Rust files.
pub(super) fn parse_all(files: &[PathBuf]) -> Result<Vec<Source>> {
    files
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| parse(path, &workspace::read(path)?))
        .collect()
}

/// Parses one.
pub(super) fn parse(path: &Path, text: &str) -> Result<Source> {
    let file = syn::parse_file(text).with_context(|| format!("parsing {}", path.display()))?;
    let mut walk = Walk::default();
    walk.visit_file(&file);
    let all_tests = path
        .components()
        .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches")));
    let tokens: TokenStream =
        text.parse().ok().with_context(|| format!("reading {}", path.display()))?;
    paths(tokens, &mut walk.names);
    for name in &mut walk.names {
        name.in_tests = all_tests || walk.tests.iter().any(|range| range.contains(&name.line));
    }
    let is_test = |line: &usize| walk.tests.iter().any(|range| range.contains(line));
    let lines_outside_tests = (1..=text.lines().count()).filter(|line| !is_test(line)).count();
    Ok(Source {
        path: path.to_owned(),
        lines_outside_tests,
        functions: walk.functions,
        names: walk.names,
    })
}

#[derive(Default)]
struct Walk {
    functions: Vec<Function>,
    tests: Vec<RangeInclusive<usize>>,
    names: Vec<Name>,
}

impl Walk {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        let lines = block.span().end().line - line + 1;
        self.functions.push(Function { name: signature.ident.to_string(), line, lines });
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() && item.attrs.iter().any(is_cfg_test) {
            let start = item.attrs.first().map_or(item.span(), Spanned::span).start().line;
            self.tests.push(start..=item.span().end().line);
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        imports(&item.tree, String::new(), &mut self.names);
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Meta>().is_ok_and(|condition| needs_test(&condition))
}

/// Whether a condition holds for tests alone: `test`, or `all(…)` with it.
fn needs_test(condition: &syn::Meta) -> bool {
    let conditions = Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
    match condition {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(conditions)
            .is_ok_and(|conditions| conditions.iter().any(needs_test)),
        syn::Meta::List(_) | syn::Meta::NameValue(_) => false,
    }
}

/// Spells every import of a `use` out.
fn imports(tree: &syn::UseTree, before: String, names: &mut Vec<Name>) {
    let mut push = |text: String, line| names.push(Name { text, line, in_tests: false });
    match tree {
        syn::UseTree::Path(path) => imports(&path.tree, format!("{before}{}::", path.ident), names),
        syn::UseTree::Name(name) => {
            push(format!("{before}{}", name.ident), name.ident.span().start().line);
        }
        syn::UseTree::Rename(name) => {
            push(format!("{before}{}", name.ident), name.ident.span().start().line);
        }
        syn::UseTree::Glob(glob) => push(format!("{before}*"), glob.span().start().line),
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                imports(tree, before.clone(), names);
            }
        }
    }
}

/// Collects paths from tokens, so that those inside macros are seen too.
fn paths(tokens: TokenStream, names: &mut Vec<Name>) {
    let mut open: Option<Name> = None;
    let mut colons = 0;
    let mut hash = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                match &mut open {
                    Some(name) if colons == 2 => name.text = format!("{}::{ident}", name.text),
                    _ => {
                        names.extend(open.take());
                        let line = ident.span().start().line;
                        open = Some(Name { text: ident.to_string(), line, in_tests: false });
                    }
                }
                (colons, hash) = (0, false);
            }
            TokenTree::Punct(punct) => {
                match punct.as_char() {
                    ':' => colons += 1,
                    '!' if colons == 0 && open.is_some() => {
                        let name = open.as_mut().expect("checked in the guard");
                        name.text.push('!');
                        names.extend(open.take());
                    }
                    _ => {
                        names.extend(open.take());
                        colons = 0;
                    }
                }
                hash = punct.as_char() == '#';
            }
            TokenTree::Group(group) => {
                names.extend(open.take());
                colons = 0;
                let before = names.len();
                paths(group.stream(), names);
                if let (true, Some(name)) = (hash, names.get_mut(before)) {
                    name.text.insert(0, '#');
                }
                hash = false;
            }
            TokenTree::Literal(_) => {
                names.extend(open.take());
                (colons, hash) = (0, false);
            }
        }
    }
    names.extend(open);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
use tokio::{sync::mpsc, time::{self, sleep}};

fn short() {
    let now = std::time::Instant::now();
    println!(\"{:?}\", rand::rng());
}

impl Thing {
    fn long(
        &self,
    ) {
        todo!()
    }
}

#[cfg(test)]
mod tests {
    #[ignore]
    fn test() {
        SystemTime::now();
    }
}
";

    fn source() -> Source {
        parse(Path::new("crates/a/src/lib.rs"), TEXT).unwrap()
    }

    #[test]
    fn finds_functions_and_the_start_of_tests() {
        let source = source();
        let found: Vec<_> =
            source.functions.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(found, [("short", 3, 4), ("long", 9, 5), ("test", 19, 3)]);
        assert_eq!(source.lines_outside_tests, 15);
    }

    #[test]
    fn what_is_compiled_for_tests_alone_is_tests_wherever_it_stands() {
        let of = |text: &str| parse(Path::new("crates/a/src/lib.rs"), text).unwrap();
        let source = of("#[cfg(test)]\nmod tests {\n}\nfn a() {\n    b::c();\n}\n");
        assert_eq!(source.lines_outside_tests, 3);
        for not_alone in ["not(test)", "any(test, unix)", "feature = \"test\""] {
            let source =
                of(&format!("#[cfg({not_alone})]\nmod a {{\n    fn f() {{ b::c(); }}\n}}\n"));
            assert_eq!(source.lines_outside_tests, 4, "{not_alone}");
            assert!(source.names.iter().all(|name| !name.in_tests), "{not_alone}");
        }
        let source = of("#[cfg(all(test, unix))]\nmod tests {\n}\n");
        assert_eq!(source.lines_outside_tests, 0);
    }

    #[test]
    fn finds_names_in_imports_macros_and_attributes() {
        let source = source();
        let named = |text: &str| source.names.iter().find(|name| name.text == text);
        assert_eq!(named("tokio::time::sleep").unwrap().line, 1);
        assert_eq!(named("std::time::Instant::now").unwrap().line, 4);
        assert!(!named("rand::rng").unwrap().in_tests);
        assert!(named("todo!").is_some());
        assert!(named("#ignore").unwrap().in_tests);
        assert!(named("SystemTime::now").unwrap().in_tests);
    }
}
