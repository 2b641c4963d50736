//! The dependencies between source files: the paths in a file's code, followed through re-exports to the file
//! that defines the name. Main type: [`Graph`], created by the tests of `layers`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A module, by its path from the crate root.
pub(super) type Module = Vec<String>;

/// The files of a crate, each a module, and the files it uses.
pub(super) struct Graph {
    pub(super) edges: BTreeMap<Module, BTreeSet<Module>>,
}

/// A `use` declaration or a path in the code.
struct Mention {
    /// From the crate root.
    path: Vec<String>,
    /// The name of a re-export.
    name: Option<String>,
    is_reexport: bool,
}

impl Graph {
    /// Reads the files in a folder. Tests at the end of a file, and test files, are left out.
    pub(super) fn read(src: &Path) -> Self {
        let files: BTreeMap<Module, String> = super::sources(src.to_owned())
            .into_iter()
            .filter(|file| !is_test(file))
            .map(|file| (module(src, &file), code(&fs::read_to_string(&file).unwrap())))
            .collect();
        Self::of(&files)
    }

    /// The graph of modules, from their code.
    pub(super) fn of(files: &BTreeMap<Module, String>) -> Self {
        let mentions: BTreeMap<&Module, Vec<Mention>> =
            files.iter().map(|(module, code)| (module, mentions(module, code, files))).collect();
        let mut exports: BTreeMap<(Module, String), Vec<String>> = BTreeMap::new();
        for (module, mentions) in &mentions {
            for mention in mentions.iter().filter(|mention| mention.is_reexport) {
                let name = mention.name.clone().unwrap_or_default();
                exports.insert(((*module).clone(), name), mention.path.clone());
            }
        }
        let mut edges = BTreeMap::new();
        for (module, mentions) in mentions {
            // A re-export exposes a name, but uses nothing itself.
            let used = mentions.iter().filter(|mention| !mention.is_reexport);
            let used = used.map(|mention| defined(&mention.path, files, &exports, 0));
            edges.insert(module.clone(), used.filter(|used| used != module).collect());
        }
        Self { edges }
    }

    /// The sets of files that reach each other, each with its inner edges.
    pub(super) fn circles(&self) -> Vec<Vec<(String, String)>> {
        let mut found = Vec::new();
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        let reach: BTreeMap<&Module, BTreeSet<&Module>> =
            self.edges.keys().map(|module| (module, self.reachable(module))).collect();
        for module in self.edges.keys().filter(|module| reach[module].contains(module)) {
            if !seen.insert(module) {
                continue;
            }
            let inside: BTreeSet<&Module> =
                reach[module].iter().copied().filter(|other| reach[other].contains(module)).collect();
            seen.extend(inside.iter().copied());
            let edges = inside.iter().flat_map(|from| {
                let to = self.edges[*from].iter().filter(|to| inside.contains(to));
                to.map(|to| (from.join("::"), to.join("::")))
            });
            found.push(edges.collect());
        }
        found
    }

    fn reachable<'a>(&'a self, from: &Module) -> BTreeSet<&'a Module> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&Module> = self.edges.get(from).into_iter().flatten().collect();
        while let Some(module) = open.pop() {
            if reached.insert(module) {
                open.extend(self.edges.get(module).into_iter().flatten());
            }
        }
        reached
    }
}

fn is_test(file: &Path) -> bool {
    let parts = || file.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts().any(|part| matches!(part.as_str(), "tests.rs" | "fixture.rs" | "simulation" | "tests"))
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are the module `a::b`.
fn module(src: &Path, file: &Path) -> Module {
    let below = file.strip_prefix(src).unwrap().with_extension("");
    let mut parts: Module = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// The code of a file without comments, string literals, and the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let text = text.split("#[cfg(test)]\nuse").next().unwrap();
    let mut code = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        if !line.starts_with("//") {
            code.push_str(line.split(" // ").next().unwrap());
            code.push('\n');
        }
    }
    code
}

/// The module that defines the name at the end of a path, following re-exports.
fn defined(
    path: &[String],
    files: &BTreeMap<Module, String>,
    exports: &BTreeMap<(Module, String), Vec<String>>,
    depth: usize,
) -> Module {
    let mut at = Module::new();
    for name in path {
        let mut inner = at.clone();
        inner.push(name.clone());
        if files.contains_key(&inner) {
            at = inner;
            continue;
        }
        return match exports.get(&(at.clone(), name.clone())) {
            Some(target) if depth < 8 => defined(target, files, exports, depth + 1),
            _ => at,
        };
    }
    at
}

/// The paths of a file that lead into the crate.
fn mentions(module: &Module, code: &str, files: &BTreeMap<Module, String>) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut rest = code;
    let mut before = String::new();
    while let Some(at) = start(rest, module, files, &before) {
        let statement = rest[..at].rsplit(['\n', ';', '}', '{']).next().unwrap_or_default();
        let is_reexport = statement.starts_with("pub") && statement.contains(" use ");
        let (text, end) = whole(&rest[at..]);
        // `pub(in super::super)` is a visibility, not a use.
        let is_visibility = rest[..at].ends_with("(in ");
        for entry in entries(&text).into_iter().filter(|_| !is_visibility) {
            let (path, name) = match entry.split_once(" as ") {
                Some((path, name)) => (path.to_owned(), Some(name.trim().to_owned())),
                None => (entry.clone(), None),
            };
            let path = absolute(module, &path);
            let name = name.or_else(|| path.last().cloned());
            found.push(Mention { path, name, is_reexport });
        }
        before = rest[..at + end].chars().rev().take(1).collect();
        rest = &rest[at + end..];
    }
    found
}

/// The start of the next path: `crate::`, `super::`, `self::`, or a child module after `use`.
fn start(rest: &str, module: &Module, files: &BTreeMap<Module, String>, before: &str) -> Option<usize> {
    let roots = ["crate::", "super::", "self::"];
    let is_start = |at: usize| {
        let previous = match at {
            0 => before.chars().next(),
            _ => rest[..at].chars().next_back(),
        };
        !previous.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    };
    let first =
        roots.iter().filter_map(|root| rest.match_indices(root).map(|(at, _)| at).find(|at| is_start(*at)));
    let children = rest.match_indices("use ").map(|(at, _)| at + 4).find(|at| {
        let name: String = rest[*at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let mut child = module.clone();
        child.push(name);
        is_start(at - 4) && files.contains_key(&child)
    });
    first.chain(children).min()
}

/// The text of a path including its groups, and its length.
fn whole(text: &str) -> (String, usize) {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' if text[..at].ends_with("::") || depth > 0 => depth += 1,
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return (text[..=at].to_owned(), at + 1);
                }
            }
            _ if depth > 0 => {}
            c if c.is_alphanumeric() || matches!(c, '_' | ':' | '*') => {}
            ' ' if text[at..].starts_with(" as ") => {}
            ' ' if text[..at].ends_with(" as") => {}
            _ => return (text[..at].to_owned(), at),
        }
    }
    (text.to_owned(), text.len())
}

/// `a::{b, c::{self, D}}` as `a::b`, `a::c`, `a::c::D`.
fn entries(text: &str) -> Vec<String> {
    let Some((head, group)) = text.split_once('{') else {
        return vec![text.trim_end_matches("::*").to_owned()];
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    let parts = parts.iter().map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let inner = parts.filter(|part| !part.is_empty()).flat_map(|part| entries(&part));
    inner
        .map(|part| match part.as_str() {
            "self" => head.trim_end_matches("::").to_owned(),
            part => format!("{head}{part}"),
        })
        .collect()
}

fn absolute(module: &Module, path: &str) -> Vec<String> {
    let mut names: Vec<&str> = path.split("::").filter(|name| !name.is_empty()).collect();
    let mut at = match names.first() {
        Some(&"crate") => {
            names.remove(0);
            Module::new()
        }
        Some(&"self") => {
            names.remove(0);
            module.clone()
        }
        _ => module.clone(),
    };
    while names.first() == Some(&"super") {
        names.remove(0);
        at.pop();
    }
    at.extend(names.into_iter().map(str::to_owned));
    at
}
