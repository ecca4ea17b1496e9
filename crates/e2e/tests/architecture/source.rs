//! Reads the paths in Rust source. It reads tokens, so comments and strings don't count, and code in macros does.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One path in a file. Within the crate it begins with `crate`. A glob ends in `*`, a renamed import in `as`.
#[derive(Debug)]
pub struct Reference {
    pub path: String,
    pub line: usize,
    /// The code is compiled for tests only.
    pub in_test: bool,
}

impl Reference {
    /// Returns whether the path is `target`, or lies below it.
    pub fn is_within(&self, target: &str) -> bool {
        self.path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// A source file of a crate.
#[derive(Debug)]
pub struct File {
    pub krate: String,
    /// The path below the crate's `src`, such as `payment/domain/payment.rs`.
    pub place: String,
    pub references: Vec<Reference>,
}

impl File {
    pub fn parse(krate: &str, place: &str, text: &str) -> Self {
        let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{krate}/{place}: {error}"));
        let mut module: Vec<_> = place.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        module.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
        let in_test = module.iter().any(|part| part == "tests");
        let mut references = Vec::new();
        Reader { references: &mut references, module, in_test }.read(tokens);
        Self { krate: krate.to_owned(), place: place.to_owned(), references }
    }

    pub fn production(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter().filter(|reference| !reference.in_test)
    }

    pub fn violation(&self, reference: &Reference, reason: &str) -> String {
        let (Self { krate, place, .. }, Reference { path, line, .. }) = (self, reference);
        format!("crates/{krate}/src/{place}:{line} names `{path}`: {reason}")
    }
}

/// Reads every source file of a crate.
pub fn read(crates: &Path, krate: &str) -> Vec<File> {
    let src = crates.join(krate).join("src");
    let parse = |path: PathBuf| {
        let place = path.strip_prefix(&src).unwrap().to_str().unwrap();
        File::parse(krate, place, &fs::read_to_string(&path).unwrap())
    };
    files_in(&src).into_iter().map(parse).collect()
}

/// Returns the Rust files of a folder and of the folders in it.
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

struct Reader<'a> {
    references: &'a mut Vec<Reference>,
    module: Vec<String>,
    in_test: bool,
}

impl Reader<'_> {
    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let (module, in_test) = (self.module.clone(), self.in_test);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Group(group) => {
                    self.in_test |= is_cfg_test(&group.stream());
                    self.read(group.stream());
                    if group.delimiter() == Delimiter::Brace {
                        // An item ends with its body.
                        (self.module, self.in_test) = (module.clone(), in_test);
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => self.in_test = in_test,
                TokenTree::Ident(ident) if *ident == "mod" => {
                    self.module.extend(tokens.get(at + 1).map(ToString::to_string));
                    at += 1;
                }
                TokenTree::Ident(ident) if *ident == "use" => {
                    let end = tokens[at..].iter().position(|token| is_punct(Some(token), ';')).unwrap_or(0);
                    self.tree(&tokens[at + 1..at + end.max(1)], &[]);
                    at += end;
                    self.in_test = in_test;
                }
                TokenTree::Ident(_) => {
                    let continues =
                        at > 1 && tokens[at - 2..at].iter().all(|token| is_punct(Some(token), ':'));
                    at += self.path(&tokens[at..], continues);
                }
                _ => {}
            }
            at += 1;
        }
        (self.module, self.in_test) = (module, in_test);
    }

    /// Reads a path in code, and returns how many tokens follow its first.
    fn path(&mut self, tokens: &[TokenTree], continues: bool) -> usize {
        let (path, length) = segments(tokens);
        // `macro!(…)` without a path counts as well. After `::`, as in `<T>::f`, a path only continues.
        let is_macro = is_punct(tokens.get(1), '!');
        if (path.len() > 1 || is_macro || path[0] == "StatusCode") && !(continues && path.len() == 1) {
            self.note(&path, &tokens[0]);
        }
        length - 1
    }

    /// Reads what follows `use`.
    fn tree(&mut self, tokens: &[TokenTree], before: &[String]) {
        for one in tokens.split(|token| is_punct(Some(token), ',')) {
            let start = one.iter().position(|token| !is_punct(Some(token), ':')).unwrap_or(one.len());
            let one = &one[start..];
            let (mut path, mut length) = segments(one);
            if path.last().is_some_and(|last| last == "self") && !before.is_empty() {
                path.pop();
            }
            path.splice(0..0, before.iter().cloned());
            while is_punct(one.get(length), ':') {
                length += 1;
            }
            match one.get(length) {
                Some(TokenTree::Group(group)) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    self.tree(&inner, &path);
                    continue;
                }
                Some(TokenTree::Punct(_)) => path.push("*".to_owned()),
                Some(_) => path.push("as".to_owned()),
                None => {}
            }
            if let Some(first) = one.first() {
                self.note(&path, first);
            }
        }
    }

    fn note(&mut self, path: &[String], token: &TokenTree) {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let mut absolute = path.to_vec();
        if ["self", "super"].contains(&path[0].as_str()) {
            let kept = &self.module[..self.module.len().saturating_sub(supers)];
            let rest = path.iter().skip(supers.max(1));
            absolute = ["crate".to_owned()].iter().chain(kept).chain(rest).cloned().collect();
        }
        let path = absolute.join("::");
        self.references.push(Reference { path, line: token.span().start().line, in_test: self.in_test });
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Returns the names joined by `::` at the beginning, and their number of tokens.
fn segments(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let (mut path, mut at) = (Vec::new(), 0);
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        path.push(ident.to_string());
        at += 1;
        let joined = is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':');
        if !joined || !matches!(tokens.get(at + 2), Some(TokenTree::Ident(_))) {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// Recognizes `cfg(test)` and `cfg(all(…, test))`.
fn is_cfg_test(attribute: &TokenStream) -> bool {
    let words: Vec<_> =
        attribute.to_string().split(|char: char| !char.is_alphanumeric()).map(str::to_owned).collect();
    let has = |word: &str| words.iter().any(|known| known == word);
    words.first().is_some_and(|first| first == "cfg") && has("test") && !has("not") && !has("any")
}
