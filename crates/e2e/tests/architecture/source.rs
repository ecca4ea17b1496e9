//! Reads what Rust source refers to: every `use` and every path, resolved as far as the file itself and
//! the names of the crate's dependencies tell. It reads syntax and not text, so a comment or a string
//! never counts, and neither another spelling nor another name for an import hides anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::{
    Attribute, ItemExternCrate, ItemMod, ItemUse, Macro, Meta, MetaList, UseTree, VisRestricted, visit,
    visit::Visit,
};

/// Renamed imports of renamed imports end somewhere; a cycle of them doesn't compile anyway.
const LONGEST_CHAIN: usize = 8;

/// One name that a file refers to. Within the crate it begins with `crate`, else with the crate it comes
/// from; a glob ends in `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub path: Vec<String>,
    pub line: usize,
    /// Compiled for tests only.
    pub in_test: bool,
}

impl Reference {
    /// Whether it is `target`, lies below it, or is a glob that brings it along.
    pub fn reaches(&self, target: &str) -> bool {
        let target: Vec<_> = target.split("::").collect();
        let starts = |long: &[&str], short: &[&str]| long.starts_with(short);
        let path: Vec<_> = self.path.iter().map(String::as_str).collect();
        match path.split_last() {
            Some((&"*", all_of)) => starts(all_of, &target) || starts(&target, all_of),
            _ => starts(&path, &target),
        }
    }

    /// Whether it is `target` or lies below it; a glob of what is above `target` does not.
    pub fn is_within(&self, target: &str) -> bool {
        target
            .split("::")
            .enumerate()
            .all(|(index, part)| self.path.get(index).is_some_and(|own| own == part))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("::"))
    }
}

/// A source file of a crate.
#[derive(Debug)]
pub struct File {
    /// Below the crate's `src`, such as `payment/domain/payment.rs`.
    pub place: String,
    /// Its module, without `crate`.
    pub module: Vec<String>,
    pub references: Vec<Reference>,
    test_modules: BTreeSet<Vec<String>>,
}

impl File {
    /// Reads one file's text. `externs` are the names under which the crate knows other crates, and `own`
    /// its own, which its binary uses.
    pub fn parse(place: &str, text: &str, own: &str, externs: &BTreeSet<String>) -> syn::Result<Self> {
        let syntax = syn::parse_file(text)?;
        let module = module_of(place);
        let mut seen = Seen { here: module.clone(), ..Seen::default() };
        seen.scopes.insert(module.clone(), Scope::default());
        seen.visit_file(&syntax);
        let names = Names { own, externs, scopes: &seen.scopes };
        let mut references: Vec<_> = seen
            .written
            .iter()
            .map(|written| Reference {
                path: names.resolve(&written.module, &written.path, written.as_name.as_deref(), 0),
                line: written.line,
                in_test: written.in_test,
            })
            .collect();
        references.dedup();
        Ok(Self { place: place.to_owned(), module, references, test_modules: seen.test_modules })
    }

    /// Those that are compiled into the product.
    pub fn production(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter().filter(|reference| !reference.in_test)
    }
}

/// Every source file below a folder.
pub fn read(src: &Path, own: &str, externs: &BTreeSet<String>) -> Vec<File> {
    let mut files = Vec::new();
    collect(src, src, own, externs, &mut files);
    let test_modules: BTreeSet<_> = files.iter().flat_map(|file| file.test_modules.clone()).collect();
    for file in &mut files {
        if test_modules.iter().any(|module| file.module.starts_with(module)) {
            file.references.iter_mut().for_each(|reference| reference.in_test = true);
        }
    }
    files.sort_by(|one, other| one.place.cmp(&other.place));
    files
}

fn collect(folder: &Path, src: &Path, own: &str, externs: &BTreeSet<String>, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, src, own, externs, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let place = path.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let file = File::parse(&place, &text, own, externs);
            files.push(file.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
    }
}

fn module_of(place: &str) -> Vec<String> {
    let mut module: Vec<_> = place.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// What a module calls things.
#[derive(Default)]
struct Scope {
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    children: BTreeSet<String>,
}

struct Written {
    /// As it is written; a leading `::` is an empty first part.
    path: Vec<String>,
    /// The name that an import gives to it.
    as_name: Option<String>,
    module: Vec<String>,
    line: usize,
    in_test: bool,
}

#[derive(Default)]
struct Seen {
    here: Vec<String>,
    in_test: bool,
    scopes: BTreeMap<Vec<String>, Scope>,
    written: Vec<Written>,
    test_modules: BTreeSet<Vec<String>>,
}

impl Seen {
    fn scope(&mut self) -> &mut Scope {
        self.scopes.entry(self.here.clone()).or_default()
    }

    fn write(&mut self, path: Vec<String>, line: usize, as_name: Option<String>) {
        let (module, in_test) = (self.here.clone(), self.in_test);
        self.written.push(Written { path, as_name, module, line, in_test });
    }

    fn import(&mut self, path: Vec<String>, name: &Ident) {
        self.scope().imports.insert(name.to_string(), path.clone());
        self.write(path, line(name), Some(name.to_string()));
    }

    fn use_tree(&mut self, tree: &UseTree, mut before: Vec<String>, at: usize) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.use_tree(&path.tree, before, line(&path.ident));
            }
            UseTree::Name(name) if name.ident == "self" => {
                self.scope().imports.extend(before.last().cloned().map(|last| (last, before.clone())));
                let last = before.last().cloned();
                self.write(before, at, last);
            }
            UseTree::Name(name) => {
                before.push(name.ident.to_string());
                self.import(before, &name.ident);
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    before.push(rename.ident.to_string());
                }
                self.import(before, &rename.rename);
            }
            UseTree::Glob(_) => {
                self.scope().globs.push(before.clone());
                before.push("*".to_owned());
                self.write(before, at, None);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, before.clone(), at);
                }
            }
        }
    }

    /// The paths in what a macro is given: a token that `::` follows begins one.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let colons = |at: usize| {
            matches!(tokens.get(at..at + 2), Some([TokenTree::Punct(one), TokenTree::Punct(two)])
                if one.as_char() == ':' && two.as_char() == ':')
        };
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    let (begin, mut end) = (at, at + 1);
                    while colons(end)
                        && let Some(TokenTree::Ident(next)) = tokens.get(end + 2)
                    {
                        path.push(next.to_string());
                        end += 3;
                    }
                    let continues = begin >= 2 && colons(begin - 2);
                    if continues {
                        // After `>::` the type before says what it is; after anything else `::` is a crate's name.
                        let after_type = begin >= 3
                            && matches!(&tokens[begin - 3], TokenTree::Punct(punct) if punct.as_char() == '>')
                            && !(begin >= 4
                                && matches!(&tokens[begin - 4], TokenTree::Punct(punct) if punct.as_char() == '-'));
                        path.insert(0, String::new());
                        if !after_type {
                            self.write(path, line(first), None);
                        }
                    } else if colons(end) && is_braced(tokens.get(end + 2)) {
                        path.push("*".to_owned());
                        self.write(path, line(first), None);
                    } else if path.len() > 1 || colons(end) {
                        self.write(path, line(first), None);
                    }
                    at = end;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// In a macro's body, `a::{b, c}` is taken for all of `a`.
fn is_braced(token: Option<&TokenTree>) -> bool {
    match token {
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
        Some(TokenTree::Punct(punct)) => punct.as_char() == '*',
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let outside = self.in_test;
        self.in_test |= attributes(item).iter().any(is_for_tests);
        visit::visit_item(self, item);
        self.in_test = outside;
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        assert!(
            !item.attrs.iter().any(|attribute| attribute.path().is_ident("path")),
            "#[path] hides where a module is: {}",
            item.ident
        );
        self.scope().children.insert(item.ident.to_string());
        self.here.push(item.ident.to_string());
        if item.content.is_none() {
            if self.in_test {
                self.test_modules.insert(self.here.clone());
            }
        } else {
            self.scope();
            visit::visit_item_mod(self, item);
        }
        self.here.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let before = item.leading_colon.iter().map(|_| String::new()).collect();
        self.use_tree(&item.tree, before, 0);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast ItemExternCrate) {
        let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
        self.import(vec![String::new(), item.ident.to_string()], name);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first()
            && (path.segments.len() > 1 || path.leading_colon.is_some())
        {
            let leading = path.leading_colon.iter().map(|_| String::new());
            let parts = path.segments.iter().map(|segment| segment.ident.to_string());
            self.write(leading.into_iter().chain(parts).collect(), line(&first.ident), None);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if let Some(name) = call.path.get_ident() {
            self.write(vec![name.to_string()], line(name), None);
        }
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    fn visit_meta_list(&mut self, list: &'ast MetaList) {
        visit::visit_meta_list(self, list);
        self.tokens(list.tokens.clone());
    }

    /// `pub(crate)` and `pub(super)` let others in and reach for nothing.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}

fn line(ident: &Ident) -> usize {
    ident.span().start().line
}

fn attributes(item: &syn::Item) -> &[Attribute] {
    use syn::Item::{
        Const, Enum, ExternCrate, Fn, Impl, Macro, Mod, Static, Struct, Trait, TraitAlias, Type, Union, Use,
    };
    match item {
        Const(item) => &item.attrs,
        Enum(item) => &item.attrs,
        ExternCrate(item) => &item.attrs,
        Fn(item) => &item.attrs,
        Impl(item) => &item.attrs,
        Macro(item) => &item.attrs,
        Mod(item) => &item.attrs,
        Static(item) => &item.attrs,
        Struct(item) => &item.attrs,
        Trait(item) => &item.attrs,
        TraitAlias(item) => &item.attrs,
        Type(item) => &item.attrs,
        Union(item) => &item.attrs,
        Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, alone or as one of several conditions that must all hold.
fn is_for_tests(attribute: &Attribute) -> bool {
    fn needs_test(condition: &Meta) -> bool {
        match condition {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated)
                .is_ok_and(|conditions| conditions.iter().any(needs_test)),
            _ => false,
        }
    }
    attribute.path().is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(|meta| needs_test(&meta))
}

struct Names<'a> {
    own: &'a str,
    externs: &'a BTreeSet<String>,
    scopes: &'a BTreeMap<Vec<String>, Scope>,
}

impl Names<'_> {
    /// `as_name` is the name that an import is about to give: it can't be its own meaning.
    fn resolve(
        &self,
        module: &[String],
        path: &[String],
        as_name: Option<&str>,
        depth: usize,
    ) -> Vec<String> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let in_crate = |module: &[String], rest: &[String]| {
            std::iter::once("crate".to_owned())
                .chain(module.iter().cloned())
                .chain(rest.iter().cloned())
                .collect()
        };
        match first.as_str() {
            "" => rest.to_vec(),
            "crate" => in_crate(&[], rest),
            "self" => in_crate(module, rest),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                in_crate(&module[..module.len().saturating_sub(ups)], &path[ups..])
            }
            own if own == self.own => in_crate(&[], rest),
            name if depth < LONGEST_CHAIN => match self.imported(module, name, as_name, depth) {
                Some(mut meant) => {
                    meant.extend(rest.iter().cloned());
                    meant
                }
                None if self.is_child(module, name) => in_crate(module, path),
                None if self.externs.contains(name) => path.to_vec(),
                None => in_crate(module, path),
            },
            _ => path.to_vec(),
        }
    }

    fn is_child(&self, module: &[String], name: &str) -> bool {
        self.scopes.get(module).is_some_and(|scope| scope.children.contains(name))
    }

    /// What a name stands for that the module imports, by itself or from a module of the same file.
    fn imported(
        &self,
        module: &[String],
        name: &str,
        as_name: Option<&str>,
        depth: usize,
    ) -> Option<Vec<String>> {
        let scope = self.scopes.get(module)?;
        if let Some(path) = scope.imports.get(name).filter(|_| as_name != Some(name)) {
            return Some(self.resolve(module, path, Some(name), depth + 1));
        }
        scope.globs.iter().find_map(|glob| {
            let mut from = self.resolve(module, glob, None, depth + 1);
            let within_crate = depth < LONGEST_CHAIN && from.first().is_some_and(|first| first == "crate");
            (within_crate).then(|| from.remove(0))?;
            (from != module).then(|| self.imported(&from, name, None, depth + 1)).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(place: &str, text: &str) -> Vec<String> {
        let externs = ["std", "axum", "tokio", "uuid"].map(str::to_owned).into();
        let file = File::parse(place, text, "provider", &externs).unwrap();
        file.references.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_use_tree_is_read_to_its_leaves() {
        assert_eq!(
            references("a/b.rs", "use crate::{x::{self, Y}, z as w}; use axum::{http::*, Json};"),
            ["crate::x", "crate::x::Y", "crate::z", "axum::http::*", "axum::Json"]
        );
    }

    #[test]
    fn self_super_and_the_crates_own_name_lead_back_into_the_crate() {
        assert_eq!(
            references("a/b.rs", "fn f() { self::g(); super::c::h(); super::super::i(); provider::j(); }"),
            ["crate::a::b::g", "crate::a::c::h", "crate::i", "crate::j"]
        );
        assert_eq!(
            references("a/mod.rs", "use super::c::D; use self::e::F;"),
            ["crate::c::D", "crate::a::e::F"]
        );
    }

    #[test]
    fn a_path_is_followed_through_the_name_an_import_gave() {
        let text =
            "use tokio::{self as t, time as clock}; fn f() { t::spawn(); clock::sleep(); ::axum::serve(); }";
        assert_eq!(
            references("a.rs", text),
            ["tokio", "tokio::time", "tokio::spawn", "tokio::time::sleep", "axum::serve"]
        );
    }

    #[test]
    fn a_name_that_came_by_a_glob_of_the_file_is_followed() {
        let text = "use tokio::time; mod inner { use super::*; fn f() { time::sleep() } }";
        assert_eq!(references("a.rs", text), ["tokio::time", "crate::a::*", "tokio::time::sleep"]);
    }

    #[test]
    fn a_module_of_the_file_hides_a_crate_of_the_same_name() {
        assert_eq!(references("a.rs", "mod axum {} fn f() { axum::serve() }"), ["crate::a::axum::serve"]);
    }

    #[test]
    fn types_patterns_attributes_and_bounds_count() {
        let text = "#[derive(axum::Debug)] struct S<T: uuid::Id>(axum::Json<T>); \
                    impl axum::Respond for S { fn f(x: u8) { if let tokio::Done(_) = x {} } }";
        assert_eq!(
            references("lib.rs", text),
            ["axum::Debug", "uuid::Id", "axum::Json", "axum::Respond", "tokio::Done"]
        );
    }

    #[test]
    fn what_a_macro_is_given_counts() {
        let text = "use tokio::time; fn f() { axum::go!(time::sleep(<X as Y>::z, [::uuid::Uuid::new_v4()])) } \
                    macro_rules! id { () => { $crate::b::C; use crate::d::{e}; -> ::axum::F } }";
        assert_eq!(
            references("lib.rs", text),
            [
                "tokio::time",
                "axum::go",
                "tokio::time::sleep",
                "uuid::Uuid::new_v4",
                "crate::macro_rules",
                "crate::b::C",
                "crate::d::*",
                "axum::F",
            ]
        );
    }

    #[test]
    fn comments_strings_and_visibility_do_not_count() {
        let text =
            "/// axum::Json\npub(crate) struct S; // tokio::time::sleep\nconst C: &str = \"axum::Json\";";
        assert_eq!(references("a.rs", text), <[&str; 0]>::default());
    }

    #[test]
    fn test_code_is_told_from_production_code() {
        let text = "fn f() { axum::a() } #[cfg(test)] mod tests { fn f() { axum::b() } } \
                    #[cfg(all(unix, test))] use axum::c; #[cfg(not(test))] use axum::d;";
        let externs = ["axum".to_owned()].into();
        let file = File::parse("a.rs", text, "provider", &externs).unwrap();
        let production: Vec<_> = file.production().map(ToString::to_string).collect();
        assert_eq!(production, ["axum::a", "axum::d"]);
    }

    #[test]
    fn a_file_that_is_a_test_module_is_test_code() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lib.rs"), "#[cfg(test)] mod tests; mod real;").unwrap();
        fs::create_dir(folder.path().join("tests")).unwrap();
        fs::write(folder.path().join("tests/mod.rs"), "mod deep;").unwrap();
        fs::write(folder.path().join("tests/deep.rs"), "use axum::Json;").unwrap();
        fs::write(folder.path().join("real.rs"), "use axum::Json;").unwrap();
        let files = read(folder.path(), "provider", &["axum".to_owned()].into());
        let production: Vec<_> =
            files.iter().filter(|file| file.production().next().is_some()).map(|file| &file.place).collect();
        assert_eq!(production, ["real.rs"]);
    }

    #[test]
    fn a_reference_knows_its_line() {
        let file =
            File::parse("a.rs", "\n\nuse axum::\n  Json;", "provider", &["axum".to_owned()].into()).unwrap();
        assert_eq!(file.references[0].line, 4);
    }

    #[test]
    fn a_glob_reaches_what_it_brings_along() {
        let glob = |path: &str| Reference {
            path: path.split("::").map(str::to_owned).collect(),
            line: 1,
            in_test: false,
        };
        assert!(glob("tokio::time::*").reaches("tokio::time::sleep"));
        assert!(glob("tokio::time::sleep").reaches("tokio::time"));
        assert!(!glob("tokio::time").reaches("tokio::time::sleep"));
        assert!(!glob("tokio::timer").reaches("tokio::time"));
        assert!(!glob("crate::*").is_within("crate::payment"));
        assert!(glob("crate::payment::*").is_within("crate::payment"));
    }
}
