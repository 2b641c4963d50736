//! A room uses only lower rooms, and siblings never use each other: reads the sources and says who does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Lowest first. What stands in one row does not know of the others in it.
const LAYERS: &[&[&str]] = &[
    &["units", "policy", "region", "fault", "task", "pages", "shown"],
    &["record", "event", "diagnostic"],
    &["files", "sql"],
    &["read"],
    &["spec", "ledger", "template", "stage"],
    &["plan", "mistral", "store", "report", "sim"],
    &["expressions"],
    &["request"],
    &["run"],
    &["cli"],
    &["lib", "main"],
];

/// The one exception: the simulator speaks the service's language.
const ALLOWED: &[(&str, &str)] = &[("sim", "mistral::wire")];

#[test]
fn every_room_uses_only_lower_rooms() {
    let mut breaches = BTreeSet::new();
    for file in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let room = room(&file);
        for used in uses(&fs::read_to_string(&file).unwrap()) {
            let target = used.split("::").next().unwrap().to_owned();
            let allowed = ALLOWED.iter().any(|(from, to)| *from == room && used.starts_with(to));
            if target != room && !allowed && layer(&target) >= layer(&room) {
                breaches.insert(format!("`{room}` uses `{used}` ({})", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
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
        // The catalogue of mistakes and the shapes of the stages are lists, and read as such.
        let most =
            if ["diagnostic.rs", "stage.rs"].iter().any(|name| file.ends_with(name)) { 650 } else { 450 };
        assert!(lines <= most, "{} has {lines} lines: which two things live in it?", file.display());
    }
}

/// The picture of CONTRIBUTING.md: an arrow for each room that uses another, without those that follow from two
/// others.
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
        let from = room(&file);
        if matches!(from.as_str(), "lib" | "main") {
            continue;
        }
        let used = uses(&fs::read_to_string(&file).unwrap());
        let rooms =
            used.iter().map(|path| path.split("::").next().unwrap().to_owned()).filter(|to| *to != from);
        arrows.entry(from.clone()).or_default().extend(rooms);
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

fn layer(room: &str) -> usize {
    LAYERS.iter().position(|row| row.contains(&room)).unwrap_or_else(|| panic!("`{room}` is in no layer"))
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

fn room(file: &Path) -> String {
    let mut parts = file.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts.by_ref().find(|part| part == "src");
    parts.next().unwrap().trim_end_matches(".rs").to_owned()
}

/// The paths behind `crate::`, outside the tests at a file's end.
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
