//! Reads the lists of error codes from `error_codes!` in the sources, so that no list is left out.

use std::{fs, path::Path};

use syn::{
    Attribute, Ident, LitInt, LitStr, Token, Visibility, braced,
    parse::{Parse, ParseStream},
    visit::Visit,
};

use crate::{tables, yes};

pub const HEADER: &str = "| code | status | retryable | meaning |";

#[derive(Debug)]
pub struct CodeList {
    pub krate: String,
    /// The module below the crate's root that declares the list: a context or a slice.
    module: String,
    pub rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub code: String,
    status: u16,
    title: String,
    pub retryable: bool,
}

impl CodeList {
    pub fn heading(&self) -> String {
        match (self.krate.as_str(), self.module.as_str()) {
            ("service-kit", "auth") => "Access".to_owned(),
            ("service-kit", _) => "Every service".to_owned(),
            ("console", _) => "console".to_owned(),
            (krate, "shared") => format!("{krate}: every context"),
            (krate, module) => format!("{krate}: {module}"),
        }
    }

    pub fn table(&self) -> String {
        let row = |Row { code, status, title, retryable }: &Row| {
            format!("| `{code}` | {status} | {} | {title} |", yes(*retryable))
        };
        tables::table(HEADER, &self.rows.iter().map(row).collect::<Vec<_>>())
    }
}

/// Returns every list of the workspace. The common list is first, the others are sorted by service and module.
pub fn code_lists(root: &Path) -> Vec<CodeList> {
    let mut lists = Vec::new();
    for krate in fs::read_dir(root.join("crates")).unwrap() {
        let krate = krate.unwrap();
        let name = krate.file_name().into_string().unwrap();
        let src = krate.path().join("src");
        collect(&src, &mut |place, text| {
            let module = place.split('/').next().unwrap_or_default().trim_end_matches(".rs");
            let found = read(text).unwrap_or_else(|error| panic!("{name}/{place}: {error}"));
            lists.extend(found.into_iter().map(|rows| CodeList {
                krate: name.clone(),
                module: module.to_owned(),
                rows,
            }));
        });
    }
    let general = |list: &CodeList| list.krate != "service-kit";
    let inner = |list: &CodeList| !["shared", "problem"].contains(&list.module.as_str());
    lists.sort_by_key(|list| (general(list), list.krate.clone(), inner(list), list.module.clone()));
    lists
}

fn collect(src: &Path, see: &mut impl FnMut(&str, &str)) {
    fn below(folder: &Path, src: &Path, see: &mut impl FnMut(&str, &str)) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, src, see);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let place = path.strip_prefix(src).unwrap().to_str().unwrap();
                see(place, &fs::read_to_string(&path).unwrap());
            }
        }
    }
    below(src, src, see);
}

/// Returns the lists that a file declares.
fn read(text: &str) -> syn::Result<Vec<Vec<Row>>> {
    struct Finder(syn::Result<Vec<Vec<Row>>>);

    impl<'ast> Visit<'ast> for Finder {
        fn visit_macro(&mut self, call: &'ast syn::Macro) {
            if let Ok(lists) = &mut self.0
                && call.path.segments.last().is_some_and(|last| last.ident == "error_codes")
            {
                match call.parse_body::<Declared>() {
                    Ok(Declared(rows)) => lists.push(rows),
                    Err(error) => self.0 = Err(error),
                }
            }
        }
    }

    let mut finder = Finder(Ok(Vec::new()));
    finder.visit_file(&syn::parse_file(text)?);
    finder.0
}

struct Declared(Vec<Row>);

impl Parse for Declared {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Attribute::parse_outer(input)?;
        input.parse::<Visibility>()?;
        input.parse::<Token![enum]>()?;
        input.parse::<Ident>()?;
        let body;
        braced!(body in input);
        let mut rows = Vec::new();
        while !body.is_empty() {
            rows.push(body.parse()?);
        }
        Ok(Self(rows))
    }
}

impl Parse for Row {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Attribute::parse_outer(input)?;
        input.parse::<Ident>()?;
        input.parse::<Token![=]>()?;
        let code = input.parse::<LitStr>()?.value();
        input.parse::<Token![,]>()?;
        let status = input.parse::<LitInt>()?.base10_parse()?;
        input.parse::<Token![,]>()?;
        let title = input.parse::<LitStr>()?.value();
        input.parse::<Token![,]>()?;
        // `final` is a reserved word.
        let retryable = if input.parse::<Option<Token![final]>>()?.is_some() {
            false
        } else {
            let end = input.parse::<Ident>()?;
            if end != "retryable" {
                return Err(syn::Error::new(end.span(), "neither `final` nor `retryable`"));
            }
            true
        };
        input.parse::<Token![;]>()?;
        Ok(Self { code, status, title, retryable })
    }
}

#[cfg(test)]
mod tests {
    use service_kit::problem::{ErrorCode, HttpCode};

    use super::*;

    #[test]
    fn what_is_read_from_the_source_is_what_the_macro_declares() {
        let lists = code_lists(&crate::root());
        let read = &lists[0];
        let declared = HttpCode::ALL.iter().map(|code| {
            let info = code.info();
            let (code, title) = (info.code.to_owned(), info.title.to_owned());
            Row { code, status: info.status, title, retryable: info.retryable }
        });
        assert_eq!((read.heading().as_str(), &read.rows), ("Every service", &declared.collect()));
    }
}
