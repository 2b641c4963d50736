//! A part uses only lower parts, siblings never use each other, and no files within a part depend on each other
//! in a cycle: checks this in the sources.

mod graph;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Lowest first. Parts in one row do not know each other.
const LAYERS: &[&[&str]] = &[
    &["units", "policy", "region", "fault_injection", "task", "pages", "escape"],
    &["record", "event", "diagnostic"],
    &["files", "sql"],
    &["read"],
    &["spec", "ledger", "template", "stage"],
    &["plan", "mistral", "store", "report", "sim"],
    &["expressions"],
    &["request"],
    &["run"],
    &["cli"],
    &["lib", "main", "prelude"],
];

/// The one exception: the simulator uses the service's wire types.
const ALLOWED: &[(&str, &str)] = &[("sim", "mistral::wire")];

#[test]
fn every_part_uses_only_lower_parts() {
    let mut breaches = BTreeSet::new();
    for file in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let part = part(&file);
        for used in uses(&fs::read_to_string(&file).unwrap()) {
            let target = used.split("::").next().unwrap().to_owned();
            let allowed = ALLOWED.iter().any(|(from, to)| *from == part && used.starts_with(to));
            if target != part && !allowed && layer(&target) >= layer(&part) {
                breaches.insert(format!("`{part}` uses `{used}` ({})", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

/// A name re-exported by a `mod.rs` counts as used from the file that defines it, and the re-export itself is not
/// a use. So a `mod.rs` may list its files, and these may import each other through it.
#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles = graph::Graph::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).circles();
    assert!(circles.is_empty(), "move what both need into a file of its own: {circles:#?}");
}

#[test]
fn circles_are_found_through_groups_and_re_exports() {
    let files = |list: &[(&str, &str)]| {
        let module =
            |path: &str| path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        graph::Graph::of(&list.iter().map(|(path, code)| (module(path), (*code).to_owned())).collect())
    };
    let direct =
        files(&[("a", "use crate::{b::{self, C}, d};\n"), ("b", "fn f() { super::a::g() }\n"), ("d", "")]);
    assert_eq!(direct.circles().len(), 1);
    assert_eq!(direct.circles()[0].len(), 2);
    let page = "mod b;\nmod c;\npub(crate) use b::B;\npub use c::{C, D as E};\n";
    let through = [("a", page), ("a::b", "use super::E;\n"), ("a::c", "use crate::a::B;\n")];
    assert_eq!(files(&through).circles().len(), 1, "each re-exported name is followed to its file");
    let fine = [("a", page), ("a::b", "use super::{C};\n"), ("a::c", "pub(in super::super) struct C;\n")];
    assert!(files(&fine).circles().is_empty());
    let parent = [("a", "mod b;\nuse b::f;\npub struct A;\n"), ("a::b", "use super::A;\n")];
    assert_eq!(files(&parent).circles().len(), 1, "a parent that uses its child may not be used by it");
}

#[test]
fn the_reader_of_uses_finds_them() {
    let text =
        "use crate::{\n    a::{B, c},\n    d,\n};\nlet x = crate::e::f();\n#[cfg(test)]\nuse crate::g;";
    let found: Vec<String> = uses(text).into_iter().collect();
    assert_eq!(found, ["a::B", "d", "e::f"]);
}

#[test]
fn no_file_has_grown_past_the_end() {
    for file in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines: which two things live in it?", file.display());
    }
}

/// The diagram in CONTRIBUTING.md: an arrow from each part to each part it uses, without those that follow from
/// two others.
#[test]
fn the_picture_is_drawn_from_the_imports() {
    const BEGIN: &str = "<!-- picture: begin -->\n";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("CONTRIBUTING.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once("<!-- picture: end -->").unwrap();
    let drawn = format!("{before}{BEGIN}{}<!-- picture: end -->{after}", picture(&root.join("src")));
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        fs::write(&path, &drawn).unwrap();
    }
    assert!(page == drawn, "update it: UPDATE_PICTURE=1 cargo nextest run the_picture_is_drawn");
}

fn picture(src: &Path) -> String {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources(src.to_owned()) {
        let from = part(&file);
        if matches!(from.as_str(), "lib" | "main" | "prelude") {
            continue;
        }
        let used = uses(&fs::read_to_string(&file).unwrap());
        let parts =
            used.iter().map(|path| path.split("::").next().unwrap().to_owned()).filter(|to| *to != from);
        arrows.entry(from.clone()).or_default().extend(parts);
    }
    let mut lines = vec!["```mermaid".to_owned(), "flowchart TD".to_owned()];
    for (from, to) in &arrows {
        let follows = |far: &String| to.iter().any(|near| near != far && reaches(&arrows, near, far));
        for far in to.iter().filter(|far| !follows(far)) {
            lines.push(format!("  {from} --> {far}"));
        }
    }
    lines.push("```\n".to_owned());
    lines.join("\n")
}

fn reaches(arrows: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    arrows.get(from).is_some_and(|next| next.iter().any(|near| near == to || reaches(arrows, near, to)))
}

fn layer(part: &str) -> usize {
    LAYERS.iter().position(|row| row.contains(&part)).unwrap_or_else(|| panic!("`{part}` is in no layer"))
}

fn sources(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(sources(path)),
            false if path.extension().is_some_and(|end| end == "rs") => found.push(path),
            false => {}
        }
    }
    found
}

fn part(file: &Path) -> String {
    let mut parts = file.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts.by_ref().find(|part| part == "src");
    parts.next().unwrap().trim_end_matches(".rs").to_owned()
}

/// The paths after `crate::`, outside the tests at the end of a file.
fn uses(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let text = text.split("#[cfg(test)]\nuse").next().unwrap();
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => drop(found.insert(path(rest))),
            Some(group) => {
                let mut depth = 0;
                let mut entry = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if c == ',' && depth == 0 {
                        found.insert(path(entry.trim()));
                        entry.clear();
                    } else {
                        entry.push(c);
                    }
                }
                if !entry.trim().is_empty() {
                    found.insert(path(entry.trim()));
                }
            }
        }
    }
    found
}

/// The first two names of a path.
fn path(text: &str) -> String {
    let text = text.replace('{', "");
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    text[..end].trim_end_matches(':').split("::").take(2).collect::<Vec<_>>().join("::")
}
