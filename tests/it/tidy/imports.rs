//! Which file of the library imports from which, looking through re-exports, and the rings among them.

use std::collections::{BTreeMap, BTreeSet};

/// The segments of a path: `["super", "open", "Store"]`.
type Path = Vec<String>;

/// A path in the code of a file.
pub struct Mention {
    pub path: Path,
    /// The name that a `use` gives it.
    name: Option<String>,
    /// The `use` statement or the line that has it.
    pub text: String,
}

struct Module {
    file: String,
    /// What the names of child modules and of `use` statements stand for, from the root.
    names: BTreeMap<String, Path>,
    /// What the file mentions of the library, from the root, each with the text that does.
    mentions: Vec<(Path, String)>,
}

/// The modules of the library by their place in its tree.
pub struct Library(BTreeMap<Path, Module>);

/// Who imports whom among neighbours, which are files and folders of one folder, and the imports that do it. `src/api`
/// is the folder with its `mod.rs`, or the file `src/api.rs` with its folder.
pub type Imports = BTreeMap<(String, String), Vec<String>>;

impl Library {
    /// Takes each file with its path and its code: no comments, no tests.
    pub fn new(files: &[(String, String)]) -> Library {
        let places: BTreeSet<Path> = files.iter().map(|(file, _)| place(file)).collect();
        let modules = files.iter().map(|(file, code)| {
            let own = place(file);
            let children = places
                .iter()
                .filter(|place| place.len() == own.len() + 1 && place.starts_with(&own));
            let mut module = Module {
                file: file.clone(),
                names: children
                    .map(|child| (child[own.len()].clone(), child.clone()))
                    .collect(),
                mentions: Vec::new(),
            };
            for mention in mentions(code) {
                if let Some(path) = from_root(&mention.path, &own, &module.names) {
                    if let Some(name) = mention.name {
                        module.names.insert(name, path.clone());
                    }
                    module.mentions.push((path, mention.text));
                }
            }
            (own, module)
        });
        Library(modules.collect())
    }

    /// The module that defines what a path from the root leads to.
    fn definer(&self, path: &[String]) -> (&Path, &Module) {
        let mut path = path.to_vec();
        loop {
            let mut prefixes = (0..=path.len()).rev().map(|length| &path[..length]);
            let module = prefixes.find_map(|prefix| self.0.get_key_value(prefix));
            let (place, module) = module.expect("lib.rs");
            let rest = &path[place.len()..];
            match rest.first().and_then(|name| module.names.get(name)) {
                Some(meant) if *meant != path => path = [meant, &rest[1..]].concat(),
                Some(_) | None => return (place, module),
            }
        }
    }

    /// An import counts for the neighbours that hold its two ends. What a module takes from those around it counts for
    /// nobody.
    pub fn imports(&self) -> Imports {
        let mut between_files = BTreeMap::new();
        for (own, module) in &self.0 {
            for (path, text) in &module.mentions {
                let (place, definer) = self.definer(path);
                between_files
                    .entry((own, place))
                    .or_insert_with(|| format!("{} imports {}: {text}", module.file, definer.file));
            }
        }
        let mut imports = Imports::new();
        for ((from, to), text) in between_files {
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if shared < from.len() && shared < to.len() {
                let neighbour = |place: &Path| format!("src/{}", place[..=shared].join("/"));
                let pair = (neighbour(from), neighbour(to));
                imports.entry(pair).or_default().push(text);
            }
        }
        imports
    }
}

/// Groups of neighbours each of which imports, directly or through others of the group, all of them.
pub fn rings(imports: &Imports) -> BTreeSet<Vec<&str>> {
    let mut imported_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in imports.keys() {
        imported_by.entry(from).or_default().push(to);
    }
    let reach = imported_by.keys().map(|start| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![*start]);
        while let Some(from) = next.pop() {
            let imported = imported_by.get(from).into_iter().flatten();
            next.extend(imported.filter(|to| reached.insert(**to)));
        }
        (*start, reached)
    });
    let reach: BTreeMap<&str, BTreeSet<&str>> = reach.collect();
    let rings = reach.iter().map(|(start, reached)| {
        let reaches_back = |other: &&str| reach.get(other).is_some_and(|back| back.contains(start));
        reached.iter().copied().filter(reaches_back).collect()
    });
    rings.filter(|ring: &Vec<&str>| !ring.is_empty()).collect()
}

/// Where a file stands in the tree of modules: `src/store/open.rs` is `["store", "open"]`, `src/lib.rs` the root.
fn place(file: &str) -> Path {
    let file = file.trim_start_matches("src/").trim_end_matches(".rs");
    let segments = file.split('/').filter(|s| !["lib", "mod"].contains(s));
    segments.map(str::to_owned).collect()
}

/// The path from the root, or none when it leads out of the library.
fn from_root(path: &[String], own: &Path, names: &BTreeMap<String, Path>) -> Option<Path> {
    let first = path.first()?.as_str();
    let ups = path
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    let start = match first {
        "crate" => &[],
        "self" | "super" => &own[..own.len() - ups],
        name => &names.get(name)?[..],
    };
    Some([start, &path[ups.max(1)..]].concat())
}

/// Every path in a file: first those of its `use` statements, then `a::b` in all other lines.
pub fn mentions(code: &str) -> Vec<Mention> {
    let (mut used, mut inline) = (Vec::new(), Vec::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if let Some(tree) = after_use(line) {
            let (mut text, mut tree) = (line.trim().to_owned(), tree.to_owned());
            while !tree.ends_with(';') {
                let next = lines.next().expect("a use statement ends").trim();
                text += next;
                tree += next;
            }
            read_tree(&[], tree.trim_end_matches(';'), &text, &mut used);
            continue;
        }
        let words = line.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c)));
        for path in words.map(segments).filter(|path| path.len() > 1) {
            inline.push(Mention {
                path,
                name: None,
                text: line.trim().to_owned(),
            });
        }
    }
    used.extend(inline);
    used
}

/// What follows `use`, `pub use` or `pub(…) use` in a line of code, rather than in one of a long text.
fn after_use(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub(") {
        Some(public) => public.split_once(") ")?.1,
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    let tree = line.strip_prefix("use ")?;
    let first = tree.split(' ').next()?;
    (first.contains("::") || first.starts_with('{') || first.ends_with(';')).then_some(tree)
}

/// The paths of `a::{b, c as d}` below a prefix.
fn read_tree(prefix: &[String], tree: &str, text: &str, found: &mut Vec<Mention>) {
    if let Some((before, group)) = tree.split_once('{') {
        let prefix = [prefix, &segments(before)].concat();
        let group = group.trim_end().strip_suffix('}').expect("a whole group");
        let mut depth = 0;
        let parts = group.split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        });
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            read_tree(&prefix, part, text, found);
        }
        return;
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path, Some(alias.to_owned())),
        None => (tree, None),
    };
    let mut path = [prefix, &segments(path)].concat();
    path.pop_if(|last| last == "self");
    found.push(Mention {
        name: alias.or_else(|| path.last().cloned()),
        path,
        text: text.to_owned(),
    });
}

fn segments(path: &str) -> Path {
    let segments = path.split("::").map(str::trim);
    segments
        .filter(|s| !s.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn rings_are_found_through_grouped_imports_re_exports_and_folders_and_not_through_parents() {
    let files = [
        ("src/lib.rs", "pub mod house;"),
        (
            "src/house/mod.rs",
            "mod attic;\npub use attic::{Box, Roof};",
        ),
        (
            "src/house/attic.rs",
            "use super::{\n    Door,\n    cellar::{self, Wine as Bottle},\n};",
        ),
        (
            "src/house/cellar.rs",
            "fn up() {\n    crate::house::Roof::look();\n}",
        ),
        (
            "src/house/attic/nook.rs",
            "use super::Box;\nuse {fmt::Write, std::io};",
        ),
        (
            "src/house/garden/path.rs",
            "use crate::house::attic;\nfn look() { attic::nook::hide() }",
        ),
        ("src/house/garden/pond.rs", "pub struct Fish;"),
        (
            "src/house/kitchen.rs",
            "use crate::house::garden::pond::Fish;",
        ),
        (
            "src/house/garden/shed.rs",
            "use super::super::kitchen::Knife;",
        ),
    ];
    let files = files.map(|(file, code)| (file.to_owned(), code.to_owned()));
    let imports = Library::new(&files).imports();
    let expected = [
        vec!["src/house/attic", "src/house/cellar"],
        vec!["src/house/garden", "src/house/kitchen"],
    ];
    assert_eq!(rings(&imports), BTreeSet::from(expected), "{imports:#?}");
    let between = |from: &str, to: &str| {
        let neighbour = |name: &str| format!("src/house/{name}");
        imports.get(&(neighbour(from), neighbour(to)))
    };
    let texts = [
        "src/house/attic.rs imports src/house/cellar.rs: use super::{Door,cellar::{self, Wine as Bottle},};",
    ];
    assert_eq!(between("attic", "cellar").unwrap(), &texts);
    let texts = ["src/house/cellar.rs imports src/house/attic.rs: crate::house::Roof::look();"];
    assert_eq!(between("cellar", "attic").unwrap(), &texts);
    assert_eq!(between("garden", "attic").unwrap().len(), 2);
    assert_eq!(imports.len(), 5, "{imports:#?}");
}
